"""Other programs: each adapter against the real package where that is installed or its sources are named.

PyTheranostics on PyPI (0.1) lacks its own imaging classes; ``LUTRA_PYTHERANOSTICS`` names a checkout. MIRDCalculation is not on
PyPI; ``LUTRA_MIRDCALCULATION`` names a checkout.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import AFFINE, NAMES, Case, needs, without

import lutra
from lutra import pytheranostics

EDGE_MM = 4.8
HISTORIES = 60_000


@pytest.fixture(scope="module")
def kernel() -> lutra.KernelResult:
    return lutra.kernel(EDGE_MM, half=25, histories=20_000)


def test_a_kernel_comes_as_a_cube(kernel: lutra.KernelResult) -> None:
    cube = kernel.cube()
    assert cube.shape == (51, 51, 51) and cube[25, 25, 25] == kernel.s_mgy_per_mbq_s[0, 0, 0]
    for axis in range(3):
        np.testing.assert_array_equal(cube, np.flip(cube, axis))
    assert kernel.cube(2).shape == (5, 5, 5) and kernel.cube(2)[2, 2, 2] == cube[25, 25, 25]
    with pytest.raises(lutra.InvalidError, match="half"):
        kernel.cube(26)


@pytest.mark.parametrize("ending", ["nii.gz", "csv", "txt", "img"])
def test_a_kernel_is_written_in_every_layout_of_the_command_line(
    ending: str, kernel: lutra.KernelResult, tmp_path: Path
) -> None:
    files = kernel.save(tmp_path / f"k.{ending}")
    assert all(Path(file).exists() for file in files)
    with pytest.raises(lutra.OccupiedError):
        kernel.save(tmp_path / f"k.{ending}")
    with pytest.raises(lutra.LutraError, match="ending"):
        kernel.save(tmp_path / "k.docx")


def test_a_kernel_is_written_for_pytheranostics(kernel: lutra.KernelResult, tmp_path: Path) -> None:
    octant, cube = (Path(file) for file in kernel.save_pytheranostics(tmp_path))
    # the layout of its reader: square sections of one octant, one after another
    rows = np.loadtxt(octant, delimiter=",")
    assert rows.shape == (26 * 26, 26)
    sections = rows.reshape(26, 26, 26).transpose(2, 1, 0)
    np.testing.assert_allclose(sections, kernel.s_mgy_per_mbq_s, rtol=1e-6)
    assert octant.name.startswith("177Lu_") and octant.name.endswith("_4.8mm_51x51x51.csv")
    assert cube.name == "Lu177-4.80-mm-mGyperMBqs-SoftICRP.img"
    np.testing.assert_allclose(np.fromfile(cube, "<f4").reshape(51, 51, 51), kernel.cube(), rtol=1e-6)
    with pytest.raises(lutra.OccupiedError):
        kernel.save_pytheranostics(tmp_path)
    with pytest.raises(lutra.MismatchError, match="cubes"):
        lutra.kernel((4.0, 4.0, 5.0), half=5, histories=1000).save_pytheranostics(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_kernel_is_read_by_mirdcalculation(kernel: lutra.KernelResult, tmp_path: Path) -> None:
    [file] = kernel.save_mirdcalculation(tmp_path)
    lines = Path(file).read_text("latin1").splitlines()
    assert lines[0].split(" - ")[:2] == ["177Lu", "4.8 mm"] and len(lines) == 2 + 26**3
    with pytest.raises(lutra.InvalidError, match="half"):
        lutra.kernel(4.8, half=3, histories=1000).save_mirdcalculation(tmp_path / "small")
    place = os.environ.get("LUTRA_MIRDCALCULATION")
    if place is None:
        without("MIRDCalculation", "not on PyPI, and LUTRA_MIRDCALCULATION names no checkout")
    values = its_reader(Path(place)).SValuesData("177Lu", datapath=str(tmp_path))
    for offset in ((0, 0, 0), (1, 0, 0), (0, 2, 1), (5, 5, 5)):
        found = values.GetSValue(EDGE_MM, *offset, tissue="Soft")
        assert found == pytest.approx(kernel.s_mgy_per_mbq_s[offset], rel=1e-6)


def its_reader(place: Path) -> Any:
    """MIRDCalculation's reader of S values; its package is not run, which would need the rest of a program."""
    needs("matplotlib")
    needs("pkg_resources")
    made: Any = None
    for name, file in (("MIRD", "__init__.py"), ("MIRD.Svalues", "Svalues.py")):
        spec = importlib.util.spec_from_file_location(name, place / "MIRD" / file)
        assert spec is not None and spec.loader is not None
        made = sys.modules[name] = importlib.util.module_from_spec(spec)
    made.__spec__.loader.exec_module(made)
    return made


def its_classes() -> tuple[Any, Any]:
    """PyTheranostics' study and voxel dosimetry."""
    place = os.environ.get("LUTRA_PYTHERANOSTICS")
    if place is not None and place not in sys.path:
        sys.path.insert(0, place)
    for package, study in (("pytheranostics", "imaging_ds.longitudinal_study"), ("doodle", "ImagingDS.LongStudy")):
        try:
            importlib.import_module(package)
            kind = getattr(importlib.import_module(f"{package}.{study}"), "LongitudinalStudy")
            return kind, pytheranostics.install()
        except ImportError as error:
            why = str(error)
    without("PyTheranostics", f"its classes are not there: {why}")
    raise AssertionError


def body(shape: tuple[int, int, int]) -> tuple[Any, dict[str, Any]]:
    """Masks (x, y, z) of a body of soft tissue with a kidney in it, far from its surface."""
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    whole = np.ones(shape, bool)
    kidney = (x + 4) ** 2 + y**2 + (0.7 * z) ** 2 < 5.0**2
    return whole, {"Kidney_Left": kidney, "RemainderOfBody": whole & ~kidney, "WholeBody": whole}


def study(array: Any, kind: Any, modality: str, masks: dict[str, Any]) -> Any:
    """A longitudinal study of one image (x, y, z); SimpleITK's order is (z, y, x), the package's (y, x, z)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing([EDGE_MM] * 3)
    image.SetOrigin([-40.0, 12.0, 100.0])
    made = kind(images={0: image}, meta={0: {"Radionuclide": "Lu177"}}, modality=modality)
    made.masks[0] = {name: np.transpose(mask, (1, 0, 2)) for name, mask in masks.items()}
    return made


def test_pytheranostics_computes_with_transport_in_its_slot(tmp_path: Path) -> None:
    """Its own path, a convolution with a kernel of soft tissue, and transport take the same study, arrays in the same order,
    and give mGy; the auditor explains what lies between them."""
    kind, voxel = its_classes()
    whole, masks = body((26, 22, 18))
    density_hu = 40.0 + np.random.default_rng(5).integers(-10, 10, whole.shape)
    tia_mbq_h = np.where(masks["Kidney_Left"], 2.0, 0.02)
    # an axis that is mistaken shows
    tia_mbq_h[:, :8, :] *= 0.5
    dosimetry: Any = object.__new__(voxel)
    dosimetry.config = {
        "ReferenceTimePoint": 0,
        "InjectedActivity": 7400.0,
        "ScaleDoseByDensity": False,
        "Method": "Monte-Carlo",
        "Lutra": {"histories": HISTORIES},
    }
    dosimetry.toMBqs = 3600
    dosimetry.nm_data = study(tia_mbq_h, kind, "NM", masks)
    dosimetry.ct_data = study(density_hu, kind, "CT", masks)
    dosimetry.tia_map = study(tia_mbq_h, kind, "NM", masks)
    dosimetry.apply_voxel_s()
    by_kernel = dosimetry.dose_map.array_at(0)
    dosimetry.run_MC()
    by_transport = dosimetry.dose_map.array_at(0)
    assert by_transport.shape == by_kernel.shape and dosimetry.lutra_result.run["tally_sha256"]
    means = {name: dosimetry.dose_map.average_of(name, 0) for name in ("Kidney_Left", "RemainderOfBody")}
    regions = dict(zip(dosimetry.lutra_result.regions["name"], dosimetry.lutra_result.regions["dose_gy"]))
    assert means["Kidney_Left"] == pytest.approx(1000 * regions["Kidney_Left"], rel=2e-2)
    mask = np.transpose(masks["Kidney_Left"], (1, 0, 2))
    ratio = by_kernel[mask].mean() / by_transport[mask].mean()
    # voxel by voxel: no axis is exchanged
    assert np.corrcoef(by_kernel[mask], by_transport[mask])[0, 1] > 0.9
    files = list(Path(sys.modules[voxel.__module__].__file__ or "").parents[1].glob("data/voxel_kernels/*.img"))
    if not files:
        without("PyTheranostics", "no kernel beside it that the auditor could be given")
    # the auditor, given the same kernel, finds the same difference and says where it comes from
    ct, activity = dosimetry.ct_data.images[0], dosimetry.tia_map.images[0]
    labels, names = pytheranostics._labels(activity, dosimetry.nm_data.masks[0])  # pyright: ignore
    audit = lutra.audit(
        ct,
        activity,
        labels,
        folder=tmp_path / "audit",
        activity_unit="mbq_h",
        label_names=names,
        histories=HISTORIES,
        kernels=files[:1],
        kernel_nuclide="lu177",
        kernel_voxel_mm=(EDGE_MM,) * 3,
        kernel_unit="mGy/(MBq s)",
        kernel_density_g_cm3=1.04,
    )
    rows = [dict(zip(audit.rows, row)) for row in zip(*audit.rows.values())]
    row = next(row for row in rows if row["region"] == "Kidney_Left" and row["method"].startswith("kernel"))
    print(f"kidney: kernel / transport = {ratio:.4f}, the auditor {row['ratio']:.4f}: {row['cause']}")
    assert ratio == pytest.approx(row["ratio"], rel=1e-3) and row["cause"].startswith("kernel:")


def test_alarm_regions_that_overlap_are_refused() -> None:
    _, masks = body((10, 10, 10))
    image = sitk.GetImageFromArray(np.zeros((10, 10, 10), np.float32))
    turned = {name: np.transpose(mask, (1, 0, 2)) for name, mask in {**masks, "Liver": masks["WholeBody"]}.items()}
    with pytest.raises(lutra.MismatchError, match="shared voxels"):
        pytheranostics._labels(image, turned)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(lutra.MismatchError, match="shape"):
        pytheranostics._labels(image, {"Liver": np.ones((4, 10, 10))})  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def slicer_logic() -> Any:
    """The logic of examples/slicer, on MRML nodes of slicer-core."""
    needs("slicer")
    place = Path(__file__).parents[2] / "examples" / "slicer" / "LutraDose"
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module("LutraDoseLib.logic")
    finally:
        sys.path.remove(str(place))


def test_a_scene_of_slicer_gets_its_dose(slicer_logic: Any, case: Case, tmp_path: Path) -> None:
    slicer = needs("slicer")
    scene = slicer.vtkMRMLScene()
    images = case.images()
    ct = slicer_logic.show(images["ct"], scene, "CT")
    activity = slicer_logic.show(images["activity"], scene, "activity")
    for name, node in (("ct", ct), ("activity", activity)):
        back = slicer_logic.image_of(node)
        np.testing.assert_array_equal(back.array, images[name].array)
        np.testing.assert_allclose(back.affine, AFFINE)
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer_logic.show(images["labels"], scene, "numbers")
    numbers = scene.GetFirstNodeByName("numbers")
    labels.SetAndObserveImageData(numbers.GetImageData())
    matrix = __import__("vtk").vtkMatrix4x4()
    numbers.GetIJKToRASMatrix(matrix)
    labels.SetIJKToRASMatrix(matrix)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ImportLabelmapToSegmentationNode(labels, segmentation)
    segments = segmentation.GetSegmentation()
    for n, name in enumerate(NAMES.values()):
        segments.GetNthSegment(n).SetName(name)
    options: dict[str, Any] = {"histories": 10_000, "administered_mbq": 7400}
    computed = slicer_logic.compute(ct, activity, segmentation, "mbq_h", tmp_path / "report.html", **options)
    direct = lutra.dose(
        images["ct"], images["activity"], images["labels"], activity_unit="mbq_h", label_names=NAMES, **options
    )
    assert computed.result.tally_hash == direct.tally_hash
    assert computed.result.regions == direct.regions
    np.testing.assert_array_equal(slicer_logic.image_of(computed.dose).array, direct.dose_gy.array)
    assert computed.table.GetNumberOfRows() == len(NAMES) and computed.report.read_text().startswith("<!DOCTYPE html>")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    ct.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(slicer_logic.NodeError, match="Harden"):
        slicer_logic.compute(ct, activity, segmentation, "mbq_h", tmp_path / "again.html", **options)
    assert not (tmp_path / "again.html").exists()
