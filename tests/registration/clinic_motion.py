"""Kidneys that move between scans, in the virtual clinic: integral and dose with and without registration.

    python tests/registration/clinic_motion.py CLINIC LUTRA [--work FOLDER] [--no-dose] [--no-by-region] [--partial-volume METHOD]

CLINIC is the folder of the virtual clinic (clinic.py: known activity, projections with scatter and noise, reconstruction).
Three scans. In the second the kidneys lie 15 mm nearer to the head than in the first, in the third 15 mm nearer to the feet:
`body`: the whole patient has moved so; `kidneys`: the kidneys alone, in a body that lies still; `both`: the body has moved
otherwise, and the kidneys in it. Printed is the deviation of integral and dose from the same scans without a motion, %; `known`
is that of the integral in outlines that are moved by the true motion: a kidney that has come nearer to the liver takes in more of
what a camera spreads of it, which no registration undoes. With `--partial-volume likelihood` the images are corrected too, and all
deviations are from the truth. Ends with 1 if a motion leaves an integral or a dose with the best
registration more than a fifth of what it costs without, or if the kidneys' own displacements are off by more than twice what is
said to remain uncertain of them (root mean squares).
"""
import argparse
import csv
import json
import os
import pathlib
import sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("clinic")
parser.add_argument("lutra")
parser.add_argument("--work", default="clinic-work")
parser.add_argument("--no-dose", action="store_true")
parser.add_argument("--no-by-region", action="store_true")
parser.add_argument("--images-only", action="store_true")
parser.add_argument("--partial-volume", default="none")
parser.add_argument("--motions", default="kidneys,both,body")
given = parser.parse_args()
os.environ["CLINIC_WORK"] = str(pathlib.Path(given.work).resolve())
os.environ["LUTRA"] = str(pathlib.Path(given.lutra).resolve())
sys.path.insert(0, given.clinic)
import numpy as np  # noqa: E402
import clinic  # noqa: E402
from clinic import BASIS, COUNTS, MMF, NF, NR, REST, SERIES, TIMES, W  # noqa: E402
from spect import Spect  # noqa: E402
import lutra_run  # noqa: E402

KIDNEYS = [2, 3]
SCANS = ["t024", "t072", "t168"]
ALONG_Z_MM = {"t024": 0, "t072": 15, "t168": -15}
# where the whole patient lies in the scan, mm (RAS)
BODY_MM = {"t024": (0.0, 0.0, 0.0), "t072": (3.1, -5.3, 15.0), "t168": (-4.7, 2.9, -15.0)}
OTHER_MM = {"t024": (0.0, 0.0, 0.0), "t072": (7.3, 4.1, -6.2), "t168": (-5.2, -8.4, 9.7)}
WORK = pathlib.Path(os.environ["CLINIC_WORK"])
# how far each kidney's own displacement is off, and what is said to remain uncertain of it, mm
OFF = []


def moved_maps(scan):
    """Where activity lies once the kidneys have moved, by region: shapes that sum to 1, and the rest's share of its sum.

    Two tissues do not lie in one place. What lay where a kidney comes to lie gives way: the organ keeps its activity in what is
    left of it (`rest` does so by its concentration, and fills the place that the kidney left).
    """
    labels, steps = clinic.labels30(), round(ALONG_Z_MM[scan] / MMF)
    shifted = {k: np.roll(labels == k, steps, axis=2) for k in KIDNEYS}
    taken = shifted[KIDNEYS[0]] | shifted[KIDNEYS[1]]
    decays = {o: SERIES["truth"]["mono"][str(o)]["decays"] / (labels == o).sum() for o in REST}
    rest = sum((labels == o) * decays[o] for o in REST)
    before = rest.sum()
    rest = np.where(np.isin(labels, KIDNEYS), decays[REST[0]], rest)
    rest[taken] = 0
    maps = {k: m / m.sum() for k, m in shifted.items()} | {"rest": rest / before}
    for k in BASIS:
        if isinstance(k, int) and (taken & (labels == k)).any():
            left = (labels == k) & ~taken
            maps[k] = left / left.sum()
    return maps


def moved_projections(scan):
    """Projections per MBq of what the moved kidneys change, by region: (views, bins, slices) each; kept."""
    path = WORK / f"given_way_{scan}.npz"
    if path.exists():
        return {int(k) if k.isdigit() else k: v for k, v in np.load(path).items()}
    system = Spect(NF, NF, MMF, psf=clinic.TRUE_PSF, tail=clinic.TAIL, radius=clinic.RADIUS,
                   mu=clinic.mu_of(clinic.pad(clinic.load("ct.nii.gz"), -1000)))
    out = {}
    for region, values in moved_maps(scan).items():
        fine = clinic.pad(values.astype(np.float32))
        out[region] = np.stack([W @ system.forward(fine, view) @ W.T for view in range(120)]).astype(np.float32)
        print(f"{scan}: projected {region}", flush=True)
    np.savez(path, **{str(k): v for k, v in out.items()})
    return out


def moved_primary(activity, extra):
    """Projections of the patient whose kidneys have moved; activity: MBq by basis region."""
    still, primary = activity.copy(), 0
    for n, key in enumerate(BASIS):
        region = int(key[0]) if isinstance(key, str) and key != "rest" else key
        if region in extra:
            primary = primary + activity[n] * extra[region]
            still[n] = 0.0
    return primary + np.tensordot(still, clinic.basis(), 1)


def image(scan, kidneys_move, rng):
    """The reconstruction of a scan, MBq a voxel; kept."""
    path = WORK / f"motion_{'given_way' if kidneys_move else 'still'}_{scan}.npy"
    if path.exists():
        return np.load(path)
    at, _ = clinic.truth()
    activity = at(TIMES[scan])
    moved = moved_primary(activity, moved_projections(scan)) if kidneys_move and ALONG_Z_MM[scan] else None
    data, tew = clinic.acquire(activity, rng, P=moved)
    found = clinic.recon(data, tew) / clinic.calibration()
    np.save(path, found)
    print(f"{scan}: reconstructed", flush=True)
    return found


def known(values, moved):
    """Deviation of both kidneys' integrals, %, in outlines that follow the true motion: an exponential through three scans."""
    labels, hours = clinic.labels30(), np.array([TIMES[scan] for scan in SCANS])

    def integral(images, k, steps):
        shares = [clinic.coarse(clinic.pad(np.roll(labels == k, n, axis=2).astype(np.float32))) for n in steps]
        held = [float((share * image).sum()) for share, image in zip(shares, images)]
        slope, start = np.polyfit(hours, np.log(held), 1)
        return np.exp(start) / -slope

    steps = [round(ALONG_Z_MM[scan] / MMF) for scan in SCANS]
    still = [integral([values[scan] for scan in SCANS], k, [0, 0, 0]) for k in KIDNEYS]
    there = [integral([moved[scan] for scan in SCANS], k, steps) for k in KIDNEYS]
    return [100 * (a / b - 1) for a, b in zip(there, still)]


def series(folder, images, registration):
    folder.mkdir(parents=True, exist_ok=True)
    text = 'schema = 1\nadministered_mbq = 7400\nunit = "bq_ml"\ndecay_correction = "none"\n'
    text += f'labels = "{clinic.G30}labels.nii.gz"\nlabel_names = "{WORK}/names.csv"\n'
    for n, (path, hours) in enumerate(images):
        text += f'[[images]]\nfile = "{path}"\ntime_h = {hours}\n'
        if n and registration:
            text += f"registration = {registration}\n"
    path = folder / "SERIES.toml"
    path.write_text(text + f'[fit]\nmethod = "mono"\n[partial_volume]\nmethod = "{given.partial_volume}"\n')
    return path


def table(path):
    return {int(row["label"]): row for row in csv.DictReader(open(path))}


def measured(name, images, registration):
    """Integral, MBq h, and dose, Gy, of both kidneys."""
    folder = WORK / "motion" / name
    text = lutra_run.call("tia", series(folder, images, registration), "--out", folder / "tia", "--force")
    found = table(folder / "tia/regions.csv")
    integrals = [float(found[k]["tia_mbq_h"]) for k in KIDNEYS]
    record = json.loads((folder / "tia/tia.json").read_text()).get("registrations", [])
    for one in record:
        scan = pathlib.Path(one["image"]).name.split("_")[-1].split(".")[0]
        for region in one["regions"]:
            true = np.array(BODY_MM[scan] if "body" in name else OTHER_MM[scan] if "both" in name else (0.0, 0.0, 0.0))
            true = true + (0.0 if "body" in name else np.array((0.0, 0.0, ALONG_Z_MM[scan])))
            off = np.array(region["displacement_mm"]) - true
            OFF.append((float(np.linalg.norm(off)), region["residual_mm"]))
            print(f"  {name} {scan} {region['region']}: off by {np.round(off, 2)}, {OFF[-1][0]:.2f} mm; said {OFF[-1][1]:.2f} mm")
        if one["method"] == "rigid":
            print(f"  {name} {scan}: shift {one['shift_mm']:.2f} mm, residual {one['residual_mm']:.2f} mm")
    if given.no_dose:
        return integrals, [float("nan")] * 2
    dose = lutra_run.dose(folder / "dose", folder / "tia/decays.nii.gz", histories="4e5")
    return integrals, [float(dose[k]["dose_gy"]) for k in KIDNEYS]


def known_truth():
    """Integral, MBq h, and dose, Gy, of both kidneys by the activity that was put in."""
    tia = clinic.truth()[1]
    by_region = dict(zip(BASIS, tia))
    integrals = [by_region[f"{k}out"] + by_region[f"{k}in"] for k in KIDNEYS]
    if given.no_dose:
        return integrals, [float("nan")] * 2
    path = WORK / "motion" / "truth.nii.gz"
    clinic.nib.save(clinic.nib.Nifti1Image(clinic.tia_map(tia), clinic.nib.load(clinic.G30 + "ct.nii.gz").affine), str(path))
    dose = lutra_run.dose(WORK / "motion" / "truth", path, histories="4e5")
    return integrals, [float(dose[k]["dose_gy"]) for k in KIDNEYS]


def main():
    rng = {scan: np.random.default_rng(700 + n) for n, scan in enumerate(SCANS)}
    still = {scan: image(scan, False, rng[scan]) for scan in SCANS}
    rng = {scan: np.random.default_rng(700 + n) for n, scan in enumerate(SCANS)}
    alone = {scan: image(scan, True, rng[scan]) for scan in SCANS}
    if given.images_only:
        return
    none = {scan: (0.0, 0.0, 0.0) for scan in SCANS}
    sets = {"unmoved": (still, none), "body": (still, BODY_MM), "kidneys": (alone, none), "both": (alone, OTHER_MM)}
    folder = WORK / "motion"
    folder.mkdir(exist_ok=True)
    images = {}
    for name, (values, shifts) in sets.items():
        images[name] = []
        for scan in SCANS:
            path = folder / f"{name}_{scan}.nii.gz"
            clinic.save_spect(values[scan], str(path), shifts[scan])
            images[name].append((path, TIMES[scan]))
    names = [clinic.NAMES[k] for k in KIDNEYS]
    # as the images lie: their grids differ where the body has moved, which "none" does not take
    identity = folder / "identity.tfm"
    identity.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n"
    )
    methods = {"without": f'{{ method = "given", transform = "{identity}" }}', "rigid": '{ method = "rigid" }'}
    if not given.no_by_region:
        listed = ", ".join(f'"{name}"' for name in names)
        methods["by region"] = f'{{ method = "rigid", by_region = [{listed}] }}'
    unmoved = measured("unmoved", images["unmoved"], None)
    print(f"unmoved: integrals {unmoved[0]} MBq h, doses {unmoved[1]} Gy")
    truth = unmoved if given.partial_volume == "none" else known_truth()
    if truth is not unmoved:
        print("unmoved, from the truth: " + " ".join(f"{100 * (a / b - 1):+.1f}" for f, t in zip(unmoved, truth) for a, b in zip(f, t)))
    failed = False
    print(f"{'motion':10s} {'registration':14s} " + " ".join(f"{n + ' integral':>24s} {'dose':>8s}" for n in names))
    true = known(still, alone)
    for motion in given.motions.split(","):
        costs, exact = {}, [0.0, 0.0] if motion == "body" else true
        print(f"{motion:10s} {'known':14s} {exact[0]:+24.1f} {'':8s} {exact[1]:+24.1f}", flush=True)
        for method, registration in methods.items():
            integrals, doses = measured(f"{motion}_{method.replace(' ', '_')}", images[motion], registration)
            cost = [[100 * (a / b - 1) for a, b in zip(found, base)] for found, base in ((integrals, truth[0]), (doses, truth[1]))]
            costs[method] = cost
            print(f"{motion:10s} {method:14s} " + " ".join(f"{cost[0][n]:+24.1f} {cost[1][n]:+8.1f}" for n in (0, 1)), flush=True)
        best = "rigid" if motion == "body" or given.no_by_region else "by region"
        for kind in (0, 1):
            for n in (0, 1):
                left, lost = [abs(costs[method][kind][n]) for method in (best, "without")]
                failed |= bool(np.isfinite(left) and left > 0.2 * lost)
    if OFF:
        off, said = [float(np.sqrt(np.mean(np.square(column)))) for column in zip(*OFF)]
        print(f"own displacements off by {off:.2f} mm, said to be uncertain by {said:.2f} mm (root mean squares)")
        failed |= off > 2 * said
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
