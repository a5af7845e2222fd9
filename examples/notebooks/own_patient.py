# %% [markdown]
# # A patient of one's own
#
# From a CT, activity images of one cycle and outlines to the dose of every region. The practice patient stands for the files
# of a clinic; its true values are known.

# %%
import lutra

patient = lutra.practice_patient("patient")
lutra.inspect(patient)["images"][0]

# %% [markdown]
# ## Time
#
# Three images (Bq/mL at 24, 72 and 168 h) become decays: one exponential a region.

# %%
series = [(h, f"{patient}/cycle1/spect_{h:03}h.nii.gz") for h in (24, 72, 168)]
labels, names = f"{patient}/labels.nii.gz", f"{patient}/label_names.csv"
integrated = lutra.tia(series, labels, label_names=names, administered_mbq=7400)
columns = integrated.regions
for name, hours in zip(columns["name"], columns["effective_half_life_h"]):
    print(f"{name:<16} {hours:6.1f} h")

# %% [markdown]
# ## Dose
#
# The unit of an activity has no default. Images from memory, from files and from other libraries may be mixed.

# %%
result = lutra.dose(
    f"{patient}/ct.nii.gz",
    integrated.decays,
    labels,
    activity_unit="decays",
    label_names=names,
    administered_mbq=7400,
    histories=60_000,
)
result

# %% [markdown]
# The histogram of a kidney, with the band of the transport's statistics:

# %%
curve = result.dvh("kidney_left")
for share in (0.98, 0.5, 0.02):
    n = int((curve.share >= share).sum()) - 1
    print(f"D{100 * share:<3.0f} {curve.dose_gy[n]:6.2f} Gy")

# %% [markdown]
# Everything that was said of the run, and whether its energy closes:

# %%
for note in result.notes:
    print(note)
result.energy_balance[0]

# %% [markdown]
# What `lutra dose` writes: maps, tables, pictures, the page, the record.

# %%
import os

sorted(os.listdir(result.save("result")))
