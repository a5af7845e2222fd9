"""A made case: a cylinder of soft tissue in air, two kidneys in it; the same as files."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import lutra

HISTORIES = 10_000
NAMES = {1: "body", 2: "kidney_left", 3: "kidney_right"}
#: Not cubic, not centred: an axis that is mistaken shows.
AFFINE = np.array([[4.0, 0, 0, -31.0], [0, 5.0, 0, -22.0], [0, 0, 6.0, 7.0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Case:
    """Arrays indexed (x, y, z) on `AFFINE`, MBq h a voxel."""

    ct: np.ndarray[Any, Any]
    activity: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]

    def images(self) -> dict[str, lutra.Image]:
        return {
            "ct": lutra.Image(self.ct, AFFINE),
            "activity": lutra.Image(self.activity, AFFINE),
            "labels": lutra.Image(self.labels, AFFINE),
        }


@pytest.fixture(scope="session")
def case() -> Case:
    x, y, z = np.meshgrid(np.arange(14) - 6.5, np.arange(12) - 5.5, np.arange(9) - 4.0, indexing="ij")
    inside = np.hypot(x / 6.5, y / 5.5) < 1.0
    labels = inside.astype(np.uint16)
    labels[(np.hypot(x + 3.0, y) < 2.0) & (abs(z - 1) < 2.5)] = 2
    labels[(np.hypot(x - 3.0, y - 1.0) < 1.8) & (abs(z) < 2.5)] = 3
    rng = np.random.default_rng(1)
    ct = np.where(inside, 40 + rng.integers(-20, 20, inside.shape), -1000).astype(np.int16)
    per_label = np.array([0.0, 0.01, 2.0, 1.5])
    activity = (per_label[labels] * (1 + 0.2 * rng.random(inside.shape))).astype(np.float32)
    return Case(ct, activity, labels)


@pytest.fixture(scope="session")
def files(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case as NIfTI: ct.nii.gz, activity.nii.gz, labels.nii.gz, names.csv."""
    folder = tmp_path_factory.mktemp("case")
    for name, image in case.images().items():
        nib.save(image.to_nibabel(), folder / f"{name}.nii.gz")
    names = "".join(f"{label},{name}\n" for label, name in NAMES.items())
    (folder / "names.csv").write_text(f"value,name\n{names}")
    return folder


#: What this run went without: name and why.
MISSING: dict[str, str] = {}


def without(what: str, why: str) -> None:
    """Skips a test, loudly: `./test` counts it."""
    MISSING[what] = why
    pytest.skip(f"{what}: {why}")


def needs(name: str) -> Any:
    """A module of a package that this test is held against."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        without(name.partition(".")[0], str(error))


def shared() -> Path:
    """Reference data beside the project: ``LUTRA_SHARED``, else ``../shared``; required by ``REQUIRE_SHARED=1``."""
    place = Path(os.environ.get("LUTRA_SHARED", Path(__file__).parents[3] / "shared"))
    if not (place / "cases").is_dir():
        assert os.environ.get("REQUIRE_SHARED") != "1", f"REQUIRE_SHARED=1 and no reference data in {place}"
        without("SHARED", f"no reference data in {place}")
    return place


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was skipped for want of something, here and in the closing list of `./test`."""
    record = os.environ.get("LUTRA_SKIPPED")
    for what, why in sorted(MISSING.items()):
        line = f"{'' if what == 'SHARED' else 'PYTHON: '}{what}: {why.splitlines()[0]}"
        terminalreporter.write_line(f"SKIPPED: {line}")
        if record:
            with open(record, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line of the package."""
    return subprocess.run(
        [sys.executable, "-m", "lutra", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class ByProgram:
    """What the command line made of the case."""

    folder: Path
    record: dict[str, Any]


@pytest.fixture(scope="session")
def by_program(files: Path, tmp_path_factory: pytest.TempPathFactory) -> ByProgram:
    out = tmp_path_factory.mktemp("out") / "result"
    done = program(
        *("dose", "--ct", files / "ct.nii.gz", "--activity", files / "activity.nii.gz", "--activity-unit", "mbq_h"),
        *("--labels", files / "labels.nii.gz", "--label-names", files / "names.csv", "--histories", HISTORIES),
        *("--engine", "cpu", "--administered-mbq", 7400, "--out", out),
    )
    assert done.returncode == 0, done.stderr
    return ByProgram(out, json.loads((out / "run.json").read_text()))
