"""The reference cases, from every kind of image: the hash and every number of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import program, shared

import lutra

HISTORIES = 50_000
CASES = {
    "mini-kidney": ("mini-kidney/ct.nii.gz", "mini-kidney/tia_blur6.nii.gz", "mini-kidney/labels.nii.gz"),
    "liver": ("liver-ct/g48/ct.nii.gz", "liver-ct/g48/tia_true.nii.gz", "liver-ct/g48/labels.nii.gz"),
}


def read(kind: str, path: Path) -> Any:
    """A file as a user of that library holds it."""
    if kind == "path":
        return path
    if kind == "sitk":
        return sitk.ReadImage(str(path))
    image: Any = nib.load(path)
    if kind == "nibabel":
        return image
    return lutra.Image(np.asanyarray(image.dataobj), image.affine)


def by_program(paths: list[Path], out: Path) -> dict[str, Any]:
    ct, activity, labels = paths
    done = program(
        *("dose", "--ct", ct, "--activity", activity, "--activity-unit", "decays", "--labels", labels, "--engine", "cpu"),
        *("--histories", HISTORIES, "--out", out),
    )
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads((out / "run.json").read_text())
    return record


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_image_gives_the_numbers_of_the_command_line(case: str, tmp_path: Path) -> None:
    paths = [shared() / "cases" / name for name in CASES[case]]
    record = by_program(paths, tmp_path / "out")
    kinds = ("path", "sitk", "nibabel", "array") if case == "mini-kidney" else ("sitk",)
    for kind in kinds:
        ct, activity, labels = (read(kind, path) for path in paths)
        result = lutra.dose(ct, activity, labels, activity_unit="decays", histories=HISTORIES)
        assert result.tally_hash == record["tally_sha256"], kind
        rows = [dict(zip(result.regions, row)) for row in zip(*result.regions.values())]
        assert rows == record["regions"], kind
        for name in ("dose_gy", "sigma_rel"):
            theirs: Any = nib.load(tmp_path / "out" / f"{name}.nii.gz")
            np.testing.assert_array_equal(getattr(result, name).array, np.asanyarray(theirs.dataobj), err_msg=kind)


def test_a_dicom_study_gives_the_numbers_of_the_command_line(tmp_path: Path) -> None:
    study = shared() / "cases" / "liver-ct-dicom"
    images = [study / name for name in ("pt_t004", "pt_t024", "pt_t072", "pt_t168")]
    done = program(
        *("dose", "--ct", study / "ct", "--activity", *images, "--labels", study / "seg_binary.dcm", "--grid", "activity"),
        *("--engine", "cpu", "--histories", HISTORIES, "--out", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    result = lutra.dose(study / "ct", images, study / "seg_binary.dcm", grid="activity", histories=HISTORIES)
    assert result.tally_hash == record["tally_sha256"]
    rows = [dict(zip(result.regions, row)) for row in zip(*result.regions.values())]
    assert rows == record["regions"]
