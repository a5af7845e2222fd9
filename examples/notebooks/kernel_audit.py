# %% [markdown]
# # What a voxel kernel gets wrong
#
# A kernel of soft tissue is quick, and wrong where the patient is not soft tissue. The auditor holds it against the transport
# of the same decays and names the cause.

# %%
import lutra

patient = lutra.practice_patient("patient")
kernel = lutra.kernel(3.0, half=12, histories=40_000)
kernel

# %%
print(f"S to itself        {kernel.s_mgy_per_mbq_s[0, 0, 0]:.4e} mGy/(MBq s)")
print(f"S to the neighbour {kernel.s_mgy_per_mbq_s[1, 0, 0]:.4e}")
print(f"energy closes to   {100 * kernel.record['closure_rel']:+.3f} %")

# %% [markdown]
# As a cube for `scipy.signal.fftconvolve`, and in the layouts that other programs read:

# %%
import os

print(kernel.cube().shape)
files = [
    *kernel.save("kernel.csv"),
    *kernel.save_pytheranostics("kernels"),
    *kernel.save_mirdcalculation("kernels"),
]
sorted(os.path.basename(file) for file in files)

# %% [markdown]
# ## The audit

# %%
audit = lutra.audit(
    f"{patient}/ct.nii.gz",
    f"{patient}/tia.nii.gz",
    f"{patient}/labels.nii.gz",
    folder="audit",
    activity_unit="bq_ml_h",
    label_names=f"{patient}/label_names.csv",
    histories=60_000,
    kernels=["kernel.csv"],
)
sorted(set(audit.rows["method"]))

# %%
rows = [dict(zip(audit.rows, row)) for row in zip(*audit.rows.values())]
for row in rows:
    if row["region"] in ("kidney_left", "liver"):
        print({key: value for key, value in list(row.items())[:8]})

# %% [markdown]
# The page `audit/report.html` has every region, method and cause.
