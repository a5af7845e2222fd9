"""Known rigid motions by Lutra, SimpleITK and itk-elastix: error at the kidneys, mm.

    python tests/registration/compare.py LUTRA [FOLDER OF REFERENCE CASES] [--motions 10] [--sets made-CT,case-SPECT]

Pairs are made from an ellipsoid patient, and from the CT and the activity of the reference cases where a folder is given
(liver-ct: ct.nii.gz, labels.nii.gz, tia_blur6_noisy.nii.gz): the moving image is the fixed one moved by a known rotation of
up to 10 degrees and a shift of up to 30 mm, in another field of view, with noise of its own, and for CT with contrast agent in
the kidneys. Needs numpy, SimpleITK and, for its column, itk-elastix (PyPI). The figures stand in docs/methods/registration.md.

Ends with 1 if Lutra misses a limit or another program is better. `--half-a-voxel-off` hands Lutra the moving image with its
voxels' corners for their centres, the fault of a reader: it must end with 1.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import SimpleITK as sitk

try:
    import itk
except ImportError:
    itk = None

# centre and half axes, mm (RAS), CT number, activity
PARTS = [
    ((0, 0, 0), (165, 110, 1e4), -90, 0.4),
    ((0, -5, 0), (145, 92, 1e4), 45, 0.6),
    ((-75, 25, 45), (70, 60, 65), 60, 4.0),
    ((80, -10, 60), (32, 40, 48), 50, 9.0),
    ((60, -45, -10), (27, 25, 55), 35, 15.0),
    ((-60, -45, 0), (27, 25, 52), 35, 13.0),
    ((0, -65, 0), (22, 20, 1e4), 250, 0.5),
    ((25, 50, -40), (45, 20, 50), -60, 0.5),
    ((-40, 60, -60), (25, 22, 40), -700, 0.5),
    ((30, 20, 30), (12, 12, 12), 55, 30.0),
]
KIDNEYS = [4, 5]


def image(values, spacing, origin):
    made = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=np.float32))
    made.SetSpacing([float(s) for s in spacing])
    made.SetOrigin([float(o) for o in origin])
    return made


def places(size, spacing, origin):
    """LPS positions of all voxels, (z, y, x, 3)."""
    axes = [origin[n] + spacing[n] * np.arange(size[n]) for n in range(3)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return np.stack([x, y, z], axis=-1)


def patient(points_lps, ct, contrast=0.0):
    ras = points_lps * np.array([-1.0, -1.0, 1.0])
    value = np.full(ras.shape[:-1], -1000.0 if ct else 0.0)
    width = 2.0 if ct else 14.0
    for n, (centre, half, hu, activity) in enumerate(PARTS):
        r = np.sqrt((((ras - np.array(centre)) / np.array(half)) ** 2).sum(-1))
        inside = np.clip(0.5 + (1 - r) * min(half) / width, 0, 1)
        own = hu + (contrast if n in KIDNEYS else 0.0) if ct else activity
        value += inside * (own - value)
    return value


def motion(seed, centre):
    random = np.random.default_rng(seed)

    def ball(most):
        v = random.uniform(-most, most, 3)
        return v * most / max(np.linalg.norm(v), most)

    turn, shift = np.radians(ball(10.0)), ball(30.0)
    made = sitk.Euler3DTransform()
    made.SetCenter([float(c) for c in centre])
    made.SetRotation(*[float(t) for t in turn])
    made.SetTranslation([float(s) for s in shift])
    return made


def noisy(values, ct, random, sigma):
    bell = random.normal(size=values.shape)
    return values + bell * (sigma if ct else sigma * np.sqrt(np.maximum(values, 0.05)))


def made_pair(seed, ct):
    truth = motion(seed, (0.0, 20.0, 0.0))
    random = np.random.default_rng(seed + 1000)
    if ct:
        grids = [((160, 116, 80), (2.5, 2.5, 3.0), (-200.0, -145.0, -120.0)),
                 ((150, 116, 70), (2.5, 2.5, 3.0), (-190.0, -145.0, -95.0))]
    else:
        grids = [((84, 64, 60), (4.8,) * 3, (-200.0, -150.0, -140.0)), ((84, 64, 60), (4.8,) * 3, (-200.0, -150.0, -125.0))]
    back = truth.GetInverse()
    images = []
    for n, (size, spacing, origin) in enumerate(grids):
        points = places(size, spacing, origin)
        if n == 1:
            m = np.array(back.TransformPoint((0.0, 0.0, 0.0)))
            columns = [np.array(back.TransformPoint(tuple(np.eye(3)[k]))) - m for k in range(3)]
            moved = points @ np.stack(columns) + m
        else:
            moved = points
        values = noisy(patient(moved, ct, 120.0 if ct and n == 1 else 0.0), ct, random, 20.0 if ct else 0.6)
        if ct:
            couch = (np.abs(points[..., 1] - 135.0 - 10.0 * n) < 6) & (np.abs(points[..., 0]) < 200)
            values[couch] = np.maximum(values[couch], -150.0)
        else:
            # a reconstruction has no negative activity
            values = np.maximum(values, 0.0)
        images.append(image(values, spacing, origin))
    kidneys = [np.array(PARTS[k][0]) * np.array([-1.0, -1.0, 1.0]) for k in KIDNEYS]
    return images, truth, kidneys


def points_y(image):
    """LPS y of every row of an image whose axes run along the world's."""
    step = image.GetSpacing()[1] * image.GetDirection()[4]
    return image.GetOrigin()[1] + step * np.arange(image.GetSize()[1])


def couch(image, y_mm):
    """The image with a plate of 8 mm across it, where it is air."""
    values = sitk.GetArrayFromImage(image)
    rows = np.abs(points_y(image) - y_mm) < 4.0
    values[:, rows, :] = np.maximum(values[:, rows, :], -150.0)
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def case_pair(folder, seed, ct):
    grid = "g30" if ct else "g48"
    base = pathlib.Path(folder) / "liver-ct" / grid
    fixed = sitk.ReadImage(str(base / ("ct.nii.gz" if ct else "tia_blur12.nii.gz")), sitk.sitkFloat32)
    labels = sitk.ReadImage(str(base / "labels.nii.gz"))
    names = json.loads((base.parent / "case.json").read_text())
    found = {v.lower(): int(k) for k, v in label_names(names).items()}
    wanted = [v for k, v in found.items() if "kidney" in k][:2]
    array = sitk.GetArrayFromImage(labels)
    kidneys = []
    for label in wanted:
        z, y, x = [v.mean() for v in np.nonzero(array == label)]
        kidneys.append(np.array(labels.TransformContinuousIndexToPhysicalPoint((float(x), float(y), float(z)))))
    truth = motion(seed, np.mean(kidneys, axis=0))
    random = np.random.default_rng(seed + 1000)
    if ct:
        # room for a couch behind the patient
        pad = [0, 16, 0]
        fixed = sitk.ConstantPad(fixed, pad, pad, -1024.0)
        labels = sitk.ConstantPad(labels, pad, pad, 0)
        array = sitk.GetArrayFromImage(labels)
    values = sitk.GetArrayFromImage(fixed).astype(float)
    scale = 1.0 if ct else 30.0 / np.quantile(values, 0.999)
    enhanced = values * scale
    if ct:
        enhanced = enhanced + 120.0 * np.isin(array, wanted)
    source = sitk.GetImageFromArray(enhanced)
    source.CopyInformation(fixed)
    size, spacing = fixed.GetSize(), fixed.GetSpacing()
    # another field of view: 10 voxels less along the body, off by a third of a voxel
    origin = list(fixed.TransformIndexToPhysicalPoint((0, 0, 6)))
    reference = sitk.Image([size[0], size[1], size[2] - 10], sitk.sitkFloat64)
    reference.SetSpacing(spacing)
    reference.SetDirection(fixed.GetDirection())
    reference.SetOrigin([o + s / 3 for o, s in zip(origin, spacing)])
    outside = -1024.0 if ct else 0.0
    moved = sitk.Resample(source, reference, truth.GetInverse(), sitk.sitkBSpline, outside)
    moved_values = sitk.GetArrayFromImage(moved)
    sigma = 20.0 if ct else 0.6
    if not ct:
        moved_values = np.maximum(moved_values, 0.0)
    second = sitk.GetImageFromArray(noisy(moved_values, ct, random, sigma).astype(np.float32))
    second.CopyInformation(moved)
    first = sitk.GetImageFromArray(noisy(values * scale, ct, random, sigma).astype(np.float32))
    first.CopyInformation(fixed)
    if ct:
        # the couch does not move with the patient: 12 mm behind the back in one image, 30 mm in the other
        back = points_y(fixed)[np.nonzero((values > -300).any(axis=(0, 2)))[0]].max()
        first, second = couch(first, back + 12.0), couch(second, back + 30.0)
    else:
        first, second = [sitk.Cast(sitk.Maximum(one, 0.0), sitk.sitkFloat32) for one in (first, second)]
    return [first, second], truth, kidneys


def label_names(case):
    """The table of labels, wherever the case keeps it."""
    stack = [case]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node and all(isinstance(v, str) and k.isdigit() for k, v in node.items()) and any("kidney" in v for v in node.values()):
                return node
            if node and all(isinstance(v, int) for v in node.values()) and any("kidney" in k for k in node):
                return {str(v): k for k, v in node.items()}
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    raise SystemExit("no names of labels in case.json")


def half_a_voxel_off(image):
    """The image whose first voxel's corner is taken for its centre."""
    moved = sitk.Image(image)
    moved.SetOrigin([o + s / 2 for o, s in zip(image.GetOrigin(), image.GetSpacing())])
    return moved


def by_lutra(program, folder, images):
    paths = [folder / "fixed.nii", folder / "moving.nii"]
    for one, path in zip(images, paths):
        sitk.WriteImage(one, str(path))
    out = folder / "out"
    began = time.time()
    line = [program, "register", str(paths[0]), str(paths[1]), "--out", str(out), "--force"]
    done = subprocess.run(line, capture_output=True, text=True)
    seconds = time.time() - began
    if done.returncode:
        return done.stderr.strip().splitlines()[0], seconds, {}
    figures = json.loads((out / "transform.json").read_text())["figures"]
    return sitk.ReadTransform(str(out / "transform.tfm")), seconds, figures


def back_and_forth(there, back, middle):
    """Root mean square distance, mm, between points around the kidneys and where the way there and back leads."""
    if isinstance(there, str) or isinstance(back, str):
        return float("inf")
    steps = (-100.0, 0.0, 100.0)
    points = [middle + np.array([x, y, z]) for x in steps for y in steps for z in steps]
    apart = [np.linalg.norm(np.array(back.TransformPoint(there.TransformPoint(tuple(p)))) - p) for p in points]
    return float(np.sqrt(np.mean(np.square(apart))))


def by_simpleitk(images, ct):
    fixed, moving = images
    if not ct:
        fixed, moving = [sitk.Log(sitk.Add(sitk.Divide(one, float(sitk.GetArrayFromImage(one).mean())), 1.0)) for one in images]
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY)
    method = sitk.ImageRegistrationMethod()
    if ct:
        method.SetMetricAsMattesMutualInformation(50)
    else:
        method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.05, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 150, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    began = time.time()
    return method.Execute(fixed, moving), time.time() - began


def by_elastix(images):
    as_itk = []
    for one in images:
        view = itk.image_from_array(sitk.GetArrayFromImage(one))
        view.SetSpacing(one.GetSpacing())
        view.SetOrigin(one.GetOrigin())
        view.SetDirection(itk.matrix_from_array(np.array(one.GetDirection()).reshape(3, 3)))
        as_itk.append(view)
    parameters = itk.ParameterObject.New()
    rigid = parameters.GetDefaultParameterMap("rigid", 4)
    parameters.AddParameterMap(rigid)
    began = time.time()
    _, found = itk.elastix_registration_method(*as_itk, parameter_object=parameters, log_to_console=False)
    seconds = time.time() - began
    one = found.GetParameterMap(0)
    made = sitk.Euler3DTransform()
    made.SetCenter([float(v) for v in one["CenterOfRotationPoint"]])
    numbers = [float(v) for v in one["TransformParameters"]]
    made.SetComputeZYX(one.get("ComputeZYX", ("false",))[0] == "true")
    made.SetRotation(*numbers[:3])
    made.SetTranslation(numbers[3:])
    return made, seconds


def error(found, truth, points):
    if isinstance(found, str):
        return [float("inf")] * len(points)
    return [float(np.linalg.norm(np.array(found.TransformPoint(tuple(p))) - np.array(truth.TransformPoint(tuple(p))))) for p in points]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lutra")
    parser.add_argument("cases", nargs="?")
    parser.add_argument("--motions", type=int, default=10)
    parser.add_argument("--sets", default="made-CT,made-SPECT,case-CT,case-SPECT")
    parser.add_argument("--half-a-voxel-off", action="store_true")
    given = parser.parse_args()
    programs = ["lutra", "SimpleITK"] + (["itk-elastix"] if itk else [])
    worse = False
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    for source in ["made"] + (["case"] if given.cases else []):
        for ct in (True, False):
            if f"{source}-{'CT' if ct else 'SPECT'}" not in given.sets.split(","):
                continue
            errors, seconds = {p: [] for p in programs}, {p: [] for p in programs}
            rounds, remain = [], []
            for seed in range(1, given.motions + 1):
                images, truth, kidneys = made_pair(seed, ct) if source == "made" else case_pair(given.cases, seed, ct)
                for_lutra = [images[0], half_a_voxel_off(images[1])] if given.half_a_voxel_off else images
                with tempfile.TemporaryDirectory() as folder:
                    found, took, figures = by_lutra(given.lutra, pathlib.Path(folder), for_lutra)
                    back, _, _ = by_lutra(given.lutra, pathlib.Path(folder), for_lutra[::-1])
                results = {"lutra": (found, took), "SimpleITK": by_simpleitk(images, ct)}
                if itk:
                    results["itk-elastix"] = by_elastix(images)
                for program, (transform, took) in results.items():
                    errors[program] += error(transform, truth, kidneys)
                    seconds[program].append(took)
                if figures:
                    rounds.append(back_and_forth(found, back, np.mean(kidneys, axis=0)))
                    remain.append(figures.get("residual_mm", float("nan")))
                told = " ".join(f"{p} {errors[p][-2]:.2f} {errors[p][-1]:.2f}" for p in programs)
                note = found if isinstance(found, str) else "halves {halves_apart_mm:.2f} ways {inverse_apart_mm:.2f}".format(**figures) + f" round {rounds[-1]:.2f}"
                print(f"  {source} {'CT' if ct else 'SPECT'} motion {seed}: {told}; {note}", flush=True)
            print(f"{source} {'CT' if ct else 'SPECT'}: error at the kidneys, mm (median, 95 %, largest), and seconds")
            for p in programs:
                e = np.array(errors[p])
                print(f"  {p:12s} {np.median(e):7.2f} {np.quantile(e, 0.95):7.2f} {e.max():7.2f}   {np.median(seconds[p]):6.1f} s")
            others = [np.median(errors[p]) for p in programs[1:]]
            actual = np.sqrt(np.mean(np.array(errors["lutra"]) ** 2))
            print(f"  way there and back at most {max(rounds):.2f} mm; error {actual:.2f} mm against {np.sqrt(np.mean(np.square(remain))):.2f} mm that remain uncertain (root mean squares)")
            worse |= max(rounds) >= 0.5
            worse |= any(np.median(errors["lutra"]) > np.nanmedian(errors[p]) + 0.05 for p in programs[1:])
            worse |= bool(np.median(errors["lutra"]) > 1.0 * (1 if ct else 2))
            worse |= bool(np.quantile(errors["lutra"], 0.95) > (2 if ct else 4))
            print(f"  best of the others: median {min(others):.2f} mm")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
