"""Kidneys that move between scans, in the virtual clinic: integral and dose with and without registration.

    python tests/registration/clinic_motion.py CLINIC LUTRA [--work FOLDER] [--no-dose] [--no-by-region]

CLINIC is the folder of the virtual clinic (clinic.py: known activity, projections with scatter and noise, reconstruction).
Three scans. In the second the kidneys lie 15 mm nearer to the head than in the first, in the third 15 mm nearer to the feet:
`body`: the whole patient has moved so; `kidneys`: the kidneys alone, in a body that lies still; `both`: the body has moved
otherwise, and the kidneys in it. Printed is the deviation of integral and dose from the same scans without a motion, %; `known`
is that of the integral in outlines that are moved by the true motion: a kidney that has come nearer to the liver takes in more of
its activity, which no registration undoes. Ends with 1 if a motion leaves an integral farther from `known` with the best
registration than a fifth of what it does without; for the dose, from the unmoved one with what `known` says of the integral.
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


def moved_projections(scan):
    """Per MBq of each moved kidney, and of the rest with the place that a kidney left filled: (3, views, bins, slices)."""
    path = WORK / f"kidneys_{scan}.npy"
    if path.exists():
        return np.load(path)
    labels, steps = clinic.labels30(), round(ALONG_Z_MM[scan] / MMF)
    system = Spect(NF, NF, MMF, psf=clinic.TRUE_PSF, tail=clinic.TAIL, radius=clinic.RADIUS,
                   mu=clinic.mu_of(clinic.pad(clinic.load("ct.nii.gz"), -1000)))
    shifted = [np.roll(labels == k, steps, axis=2) for k in KIDNEYS]
    decays = {o: SERIES["truth"]["mono"][str(o)]["decays"] / (labels == o).sum() for o in REST}
    rest = sum((labels == o) * decays[o] for o in REST)
    before = rest.sum()
    rest = np.where(np.isin(labels, KIDNEYS), decays[REST[0]], rest)
    rest[shifted[0] | shifted[1]] = 0
    maps = [m / m.sum() for m in shifted] + [rest / before]
    out = np.zeros((3, 120, NR, NR), np.float32)
    for n, values in enumerate(maps):
        fine = clinic.pad(values.astype(np.float32))
        for view in range(120):
            out[n, view] = W @ system.forward(fine, view) @ W.T
        print(f"{scan}: projected {n + 1} of 3", flush=True)
    np.save(path, out)
    return out


def image(scan, kidneys_move, rng):
    """The reconstruction of a scan, MBq a voxel; kept."""
    path = WORK / f"motion_{'kidneys' if kidneys_move else 'still'}_{scan}.npy"
    if path.exists():
        return np.load(path)
    at, _ = clinic.truth()
    activity = at(TIMES[scan])
    if kidneys_move and ALONG_Z_MM[scan]:
        extra = moved_projections(scan)
        own = {2: 0.0, 3: 0.0}
        still = activity.copy()
        for n, key in enumerate(BASIS):
            if isinstance(key, str) and key != "rest":
                own[int(key[0])] += activity[n]
                still[n] = 0.0
            elif key == "rest":
                rest, still[n] = activity[n], 0.0
        primary = np.tensordot(still, clinic.basis(), 1) + own[2] * extra[0] + own[3] * extra[1] + rest * extra[2]
        data, tew = clinic.acquire(None, rng, P=primary)
    else:
        data, tew = clinic.acquire(activity, rng)
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
    path.write_text(text + '[fit]\nmethod = "mono"\n')
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
        regions = "; ".join("{region} {displacement_mm} residual {residual_mm:.2f}".format(**r) for r in one["regions"])
        if one["method"] == "rigid":
            print(f"  {name}: shift {one['shift_mm']:.2f} mm, residual {one['residual_mm']:.2f} mm; {regions}")
    if given.no_dose:
        return integrals, [float("nan")] * 2
    dose = lutra_run.dose(folder / "dose", folder / "tia/decays.nii.gz", histories="4e5")
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
    truth = measured("unmoved", images["unmoved"], None)
    print(f"unmoved: integrals {truth[0]} MBq h, doses {truth[1]} Gy")
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
                left, lost = [abs(costs[method][kind][n] - exact[n]) for method in (best, "without")]
                failed |= bool(np.isfinite(left) and left > 0.2 * lost)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
