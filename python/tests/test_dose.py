"""A dose from Python is the dose of the command line, whatever kind of image it comes from."""

from __future__ import annotations

import itertools
import shutil
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import SimpleITK as sitk
from conftest import AFFINE, HISTORIES, NAMES, ByProgram, Case

import lutra


def run(images: dict[str, Any], **more: Any) -> lutra.DoseResult:
    options: dict[str, Any] = {"activity_unit": "mbq_h", "histories": HISTORIES, "label_names": NAMES}
    return lutra.dose(images["ct"], images["activity"], images["labels"], **{**options, **more})


def same_numbers(result: lutra.DoseResult, by_program: ByProgram) -> None:
    record = by_program.record
    assert result.tally_hash == record["tally_sha256"]
    assert result.energy_balance == record["energy_balance"]
    rows = [dict(zip(result.regions, row)) for row in zip(*result.regions.values())]
    assert rows == record["regions"]
    for name in ("dose_gy", "sigma_rel", "dose_electron_gy", "dose_photon_gy"):
        image = nib.load(by_program.folder / f"{name}.nii.gz")
        np.testing.assert_array_equal(getattr(result, name).array, np.asanyarray(image.dataobj))
        np.testing.assert_allclose(getattr(result, name).affine, image.affine, atol=1e-5)


@pytest.mark.parametrize("kind", ["path", "array", "nibabel", "sitk", "loaded", "mixed"])
def test_every_kind_of_image_gives_the_numbers_of_the_command_line(
    kind: str, case: Case, files: Path, by_program: ByProgram
) -> None:
    paths = {name: files / f"{name}.nii.gz" for name in ("ct", "activity", "labels")}
    images: dict[str, Any] = {
        "path": lambda: paths,
        "array": case.images,
        "nibabel": lambda: {name: image.to_nibabel() for name, image in case.images().items()},
        "sitk": lambda: {name: sitk.ReadImage(str(path)) for name, path in paths.items()},
        "loaded": lambda: {name: nib.load(path) for name, path in paths.items()},
        "mixed": lambda: {**case.images(), "ct": paths["ct"]},
    }[kind]()
    result = run(images, administered_mbq=7400)
    same_numbers(result, by_program)
    assert result.run["seed"] == 177 and result.run["settings"]["activity_unit"]


def test_alarm_another_seed_is_another_tally(case: Case, by_program: ByProgram) -> None:
    assert run(case.images(), seed=178).tally_hash != by_program.record["tally_sha256"]


ORDERS = [
    (axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
]


def turned(array: np.ndarray[Any, Any], axes: tuple[int, ...], signs: tuple[int, ...]) -> lutra.Image:
    """The same voxels at the same places, their axes in another order and direction."""
    step = np.zeros((4, 4))
    step[3, 3] = 1
    for new, old in enumerate(axes):
        step[old, new] = signs[new]
        if signs[new] < 0:
            step[old, 3] = array.shape[old] - 1
    flips = tuple(slice(None, None, sign) for sign in signs)
    return lutra.Image(array.transpose(axes)[flips], AFFINE @ step)


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_all_48_axis_orders_give_one_tally(
    axes: tuple[int, ...], signs: tuple[int, ...], case: Case, by_program: ByProgram
) -> None:
    images = {name: turned(image.array, axes, signs) for name, image in case.images().items()}
    for kind in ("to_sitk", "to_nibabel"):
        result = run({name: getattr(image, kind)() for name, image in images.items()})
        assert result.tally_hash == by_program.record["tally_sha256"], (kind, axes, signs)
        # the dose lies in the order of the CT that was given
        expected = turned(nib.load(by_program.folder / "dose_gy.nii.gz").get_fdata(dtype=np.float32), axes, signs)
        np.testing.assert_array_equal(result.dose_gy.array, expected.array)
        np.testing.assert_allclose(result.dose_gy.affine, expected.affine, atol=1e-5)


def test_alarm_swapped_axes_are_another_case(case: Case, by_program: ByProgram) -> None:
    images = {name: lutra.Image(image.array[::-1], AFFINE) for name, image in case.images().items()}
    assert run(images).tally_hash != by_program.record["tally_sha256"]


def test_images_go_to_simpleitk_and_nibabel_and_back(case: Case) -> None:
    rng = np.random.default_rng(2)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * [2.0, 3.0, 4.5]
    affine[:3, 3] = [10, -20, 30]
    image = lutra.Image(rng.random((3, 4, 5)), affine)
    by_sitk = image.to_sitk()
    point = np.array(by_sitk.TransformContinuousIndexToPhysicalPoint((2.0, 1.0, 3.0))) * [-1, -1, 1]
    np.testing.assert_allclose(point, (affine @ [2, 1, 3, 1])[:3])
    assert by_sitk.GetPixel(2, 1, 3) == image.array[2, 1, 3]
    for back in (lutra.Image.from_sitk(by_sitk), lutra.Image.from_nibabel(image.to_nibabel())):
        np.testing.assert_array_equal(back.array, image.array)
        np.testing.assert_allclose(back.affine, affine, atol=1e-5)


def test_maps_are_views_and_tables_are_tables(case: Case) -> None:
    result = run(case.images(), administered_mbq=7400)
    dose = result.dose_gy.array
    assert not dose.flags.writeable and not dose.flags.owndata
    assert np.shares_memory(dose, result.dose_gy.array)
    with pytest.raises(ValueError):
        dose[0, 0, 0] = 1
    owner = result.dose_gy
    del result
    assert float(owner.array.max()) > 0
    result = run(case.images(), administered_mbq=7400)
    assert list(pd.DataFrame(result.regions)["name"]) == list(NAMES.values())
    assert pl.DataFrame(result.regions)["dose_gy"][1] > pl.DataFrame(result.regions)["dose_gy"][0]
    dvh = result.dvh("kidney_left")
    assert dvh.share[0] == pytest.approx(1.0) and np.all(np.diff(dvh.dose_gy) > 0)
    assert np.all(dvh.low <= dvh.share) and np.all(dvh.share <= dvh.high)
    np.testing.assert_array_equal(result.dvh(2).share, dvh.share)
    with pytest.raises(KeyError, match="kidney_right"):
        result.dvh("liver")
    page = result._repr_html_()
    assert "kidney_left" in page and result.tally_hash[:16] in page
    assert any(note.code == "decays-on-grid" for note in result.notes)


def test_saved_files_are_those_of_the_command_line(
    case: Case, files: Path, by_program: ByProgram, tmp_path: Path
) -> None:
    result = run({name: files / f"{name}.nii.gz" for name in ("ct", "activity", "labels")}, administered_mbq=7400)
    place = Path(result.save(tmp_path / "out"))
    for mine in place.iterdir():
        theirs = by_program.folder / mine.name
        assert theirs.exists(), mine.name
        if mine.suffix in {".gz", ".png", ".csv"} or mine.name == "dvh.json":
            assert mine.read_bytes() == theirs.read_bytes() or mine.name == "organs.csv", mine.name
    assert pd.read_csv(place / "organs.csv").equals(pd.read_csv(by_program.folder / "organs.csv"))
    with pytest.raises(lutra.OccupiedError) as refused:
        result.save(place)
    assert "force" in str(refused.value)
    result.save(place, force=True)
    page = result.report(tmp_path / "page.html")
    assert Path(page).read_text().startswith("<!DOCTYPE html>")


def test_rtdose_is_written_whole(case: Case, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    result = run(case.images())
    said = result.save_rtdose(tmp_path / "dose.dcm")
    read = pydicom.dcmread(tmp_path / "dose.dcm")
    assert read.Modality == "RTDOSE" and read.DoseUnits == "GY"
    assert read.pixel_array.max() * read.DoseGridScaling == pytest.approx(result.dose_gy.array.max(), rel=1e-4)
    assert all(isinstance(note, lutra.Note) for note in said)


def test_a_call_costs_little(case: Case) -> None:
    images = case.images()
    run(images, histories=1000, threads=1, batches=10)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        result = run(images, histories=1000, threads=1, batches=10)
        took = time.perf_counter() - begun
        assert result._handle is not None
        times.append(took - result._handle.seconds)
    assert min(times) < 0.05, times


BAD: dict[str, tuple[Any, type[lutra.LutraError], str]] = {
    "bare array": (lambda c: {"ct": c.ct}, lutra.InvalidError, "geometry"),
    "list": (lambda c: {"labels": 3}, lutra.InvalidError, "int"),
    "NaN": (
        lambda c: {"activity": lutra.Image(np.where(c.labels == 2, np.nan, c.activity), AFFINE)},
        lutra.LutraError,
        "NaN",
    ),
    "NaN in the CT": (
        lambda c: {"ct": lutra.Image(np.where(c.labels == 2, np.nan, c.ct), AFFINE)},
        lutra.LutraError,
        "",
    ),
    "negative": (lambda c: {"activity": lutra.Image(-c.activity, AFFINE)}, lutra.LutraError, ""),
    "labels that are none": (
        lambda c: {"labels": lutra.Image(c.labels + 0.5, AFFINE)},
        lutra.InvalidError,
        "whole numbers",
    ),
    "another grid": (lambda c: {"labels": lutra.Image(c.labels[1:], AFFINE)}, lutra.MismatchError, "grid"),
    "shear": (
        lambda c: {"ct": lutra.Image(c.ct, AFFINE + np.eye(4, k=1) * [0, 1, 0, 0])},
        lutra.LutraError,
        "",
    ),
    "unit": (lambda c: {"activity_unit": None}, lutra.MissingError, "activity_unit"),
    "unknown unit": (lambda c: {"activity_unit": "Bq"}, lutra.UnknownError, "bq_ml_h"),
    "engine": (lambda c: {"engine": "abacus"}, lutra.UnknownError, "engine"),
    "sigma": (lambda c: {"histories": None, "target_sigma": 2.0}, lutra.InvalidError, "target_sigma"),
    "threads": (lambda c: {"threads": 0}, lutra.InvalidError, "threads"),
    "histories": (lambda c: {"histories": 1.5}, lutra.InvalidError, "histories"),
    "nuclide": (lambda c: {"nuclide": "xx999"}, lutra.UnknownError, "xx999"),
    "lost file": (lambda c: {"ct": "no/such/file.nii.gz"}, lutra.LutraError, "no/such/file"),
    "resume": (lambda c: {"resume": True}, lutra.LutraError, "checkpoint"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name: str, case: Case) -> None:
    change, kind, words = BAD[name]
    given: dict[str, Any] = {**case.images(), **change(case)}
    images = {name: given.pop(name) for name in ("ct", "activity", "labels")}
    with pytest.raises(kind) as refused:
        run(images, **given)
    error = refused.value
    assert words in str(error), error
    assert error.kind and (error.next or error.allowed or error.found), vars(error)
    assert "--" not in str(error), "an option of the command line in a message of Python"


def test_images_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(lutra.InvalidError, match="object"):
        lutra.Image(np.empty((2, 2, 2), object), AFFINE)
    with pytest.raises(lutra.MismatchError, match="axes"):
        lutra.Image(np.zeros((2, 2)), AFFINE)
    with pytest.raises(lutra.MismatchError, match="shape"):
        lutra.Image(np.zeros((2, 2, 2)), np.eye(3))
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
    image.set_sform(AFFINE, code=1)
    image.set_qform(np.eye(4), code=1)
    with pytest.raises(lutra.MismatchError, match="differ"):
        lutra.Image.from_nibabel(image)
    image.set_sform(AFFINE, code=0)
    image.set_qform(AFFINE, code=0)
    with pytest.raises(lutra.InvalidError, match="orientation"):
        lutra.Image.from_nibabel(image)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.ascontiguousarray(a),
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.lib.stride_tricks.as_strided(a, a.shape, a.strides, writeable=False),
        lambda a: a.astype(np.float64),
        lambda a: a[..., np.newaxis],
    ],
    ids=["fortran", "c", "swapped bytes", "strided", "read-only", "double", "fourth axis of 1"],
)
def test_the_memory_of_an_array_does_not_matter(change: Any, case: Case, by_program: ByProgram) -> None:
    images = {name: lutra.Image(change(image.array), AFFINE) for name, image in case.images().items()}
    assert run(images).tally_hash == by_program.record["tally_sha256"]


def test_inputs_are_not_written_over(case: Case, files: Path, tmp_path: Path) -> None:
    shutil.copytree(files, tmp_path / "case")
    paths = {name: tmp_path / "case" / f"{name}.nii.gz" for name in ("ct", "activity", "labels")}
    result = run(paths, histories=2000)
    before = sorted(path.name for path in (tmp_path / "case").iterdir())
    with pytest.raises(lutra.LutraError):
        result.save(tmp_path / "case", force=True)
    assert sorted(path.name for path in (tmp_path / "case").iterdir()) == before
