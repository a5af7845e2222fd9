# %% [markdown]
# # A cohort
#
# Several patients through one protocol, and the same protocol on virtual patients.

# %%
import nibabel
import numpy as np

import lutra

patient = lutra.practice_patient("patient")
ct = nibabel.load(f"{patient}/ct.nii.gz")
labels = nibabel.load(f"{patient}/labels.nii.gz")
with open(f"{patient}/label_names.csv", encoding="utf-8") as file:
    names = {int(label): name for label, name in (line.strip().split(",") for line in list(file)[1:])}
names

# %% [markdown]
# Three patients who differ in the uptake of their kidneys, a tenth less in the second cycle. A course in memory: cycles, each
# with its images.


# %%
def cycle(day: int, uptake: float) -> lutra.Cycle:
    """Cycle 1 of the practice patient with another uptake of the kidneys."""
    images = []
    kidneys = np.isin(np.asanyarray(labels.dataobj), [label for label, name in names.items() if "kidney" in name])
    for hours in (24, 72, 168):
        image = nibabel.load(f"{patient}/cycle1/spect_{hours:03}h.nii.gz")
        values = np.asanyarray(image.dataobj) * np.where(kidneys, uptake, 1.0)
        images.append((hours, lutra.Image(values, image.affine)))
    return lutra.Cycle(day, 7400.0, images)


rows = []
for name, uptake in {"A": 0.7, "B": 1.0, "C": 1.4}.items():
    course = lutra.course(
        ct=ct,
        labels=labels,
        label_names=names,
        cycles=[cycle(0, uptake), cycle(63, 0.9 * uptake)],
        protocol="iluminet",
        facts={"gfr_ml_min": 75},
        histories=100_000,
    )
    totals = dict(zip(course.totals["region"], course.totals["dose_gy"]))
    rows.append({"patient": name, "kidney_left_gy": round(totals["kidney_left"], 2), "state": course.verdict["state"]})
rows

# %% [markdown]
# The last one's verdict in words:

# %%
print(course.words)

# %% [markdown]
# ## Virtual patients
#
# Where the policies of a protocol end, before there is a patient:

# %%
for policy in lutra.cohort("iluminet", patients=5000)["policies"]:
    print(policy)
