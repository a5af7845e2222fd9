"""The other questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import AFFINE, HISTORIES, NAMES, Case, program

import lutra


def timed(case: Case, time_h: float) -> lutra.Image:
    """Bq/mL at that time: 50 h effective in the left kidney, 60 h in the right."""
    half_life_h = np.array([1.0, 40.0, 50.0, 60.0])[case.labels]
    at_once = np.array([0.0, 1e3, 8e5, 7e5])[case.labels]
    return lutra.Image(at_once * np.exp2(-time_h / half_life_h), AFFINE)


@pytest.fixture(scope="module")
def integrated(case: Case) -> lutra.TiaResult:
    series = [(time_h, timed(case, time_h)) for time_h in (24.0, 72.0, 168.0)]
    return lutra.tia(series, case.images()["labels"], label_names=NAMES, administered_mbq=7400)


def test_a_series_in_memory_gives_the_half_lives_it_was_made_of(integrated: lutra.TiaResult, tmp_path: Path) -> None:
    by_name = dict(zip(integrated.regions["name"], integrated.regions["effective_half_life_h"]))
    assert by_name["kidney_left"] == pytest.approx(50, rel=1e-3)
    assert by_name["kidney_right"] == pytest.approx(60, rel=1e-3)
    place = Path(integrated.save(tmp_path / "tia"))
    assert json.loads((place / "tia.json").read_text())["regions"][1]["name"] == "kidney_left"


def test_decays_go_on_to_a_dose(case: Case, integrated: lutra.TiaResult) -> None:
    images = case.images()
    result = lutra.dose(
        images["ct"], integrated.decays, images["labels"], activity_unit="decays", histories=HISTORIES, label_names=NAMES
    )
    assert result.run["scene"]["decays_on_grid"] == pytest.approx(integrated.decays.array.sum(), rel=1e-6)


def test_a_series_in_files_is_that_in_memory(case: Case, integrated: lutra.TiaResult, tmp_path: Path) -> None:
    nib: Any = pytest.importorskip("nibabel")
    entries = []
    for time_h in (24.0, 72.0, 168.0):
        nib.save(timed(case, time_h).to_nibabel(), tmp_path / f"{time_h:.0f}.nii")
        entries.append(f'[[images]]\nfile = "{time_h:.0f}.nii"\ntime_h = {time_h}\n')
    nib.save(case.images()["labels"].to_nibabel(), tmp_path / "labels.nii")
    head = 'schema = 1\nnuclide = "lu177"\nadministered_mbq = 7400\nunit = "bq_ml"\ndecay_correction = "none"\nlabels = "labels.nii"\n'
    (tmp_path / "SERIES.toml").write_text(head + "".join(entries))
    found = lutra.tia(tmp_path / "SERIES.toml")
    np.testing.assert_allclose(found.decays.array, integrated.decays.array, rtol=1e-6)


def test_a_course_in_memory_comes_to_a_verdict(case: Case, tmp_path: Path) -> None:
    images = case.images()
    series = [(time_h, timed(case, time_h)) for time_h in (24.0, 72.0, 168.0)]
    # another injection has images of its own
    later = [(time_h, lutra.Image(0.5 * image.array, AFFINE)) for time_h, image in series]
    cycles = [lutra.Cycle(0, 7400.0, series), lutra.Cycle(63, 7400.0, later)]
    result = lutra.course(
        ct=images["ct"], labels=images["labels"], label_names=NAMES, cycles=cycles, protocol="iluminet", histories=HISTORIES
    )
    assert result.verdict["protocol"].lower().startswith("iluminet") and result.words
    totals = dict(zip(result.totals["region"], result.totals["dose_gy"]))
    by_cycle = [gy for name, gy in zip(result.cycles["region"], result.cycles["dose_gy"]) if name == "kidney_left"]
    assert totals["kidney_left"] == pytest.approx(sum(by_cycle)) and len(by_cycle) == 2
    total = result.map("dose_sum_gy")
    assert total is not None and total.shape == images["ct"].shape
    with pytest.raises(KeyError):
        result.map("colour")
    assert (Path(result.save(tmp_path / "course")) / "verdict.json").exists()
    with pytest.raises(lutra.LutraError, match="COURSE.toml"):
        lutra.course(ct=images["ct"])
    with pytest.raises(lutra.LutraError, match="the image of cycle 1 again"):
        twice = [lutra.Cycle(day, 7400.0, series) for day in (0, 63)]
        lutra.course(ct=images["ct"], labels=images["labels"], label_names=NAMES, cycles=twice, protocol="iluminet")
    with pytest.raises(lutra.LutraError, match="order of time"):
        lutra.course(
            ct=images["ct"], labels=images["labels"], label_names=NAMES, cycles=cycles[::-1], protocol="iluminet"
        )


def test_an_audit_holds_shortcuts_against_the_transport(case: Case, tmp_path: Path) -> None:
    images = case.images()
    found = lutra.audit(
        images["ct"],
        images["activity"],
        images["labels"],
        folder=tmp_path / "audit",
        activity_unit="mbq_h",
        label_names=NAMES,
        histories=HISTORIES,
    )
    assert "kidney_left" in found.rows["region"] and len(set(found.rows["method"])) > 1
    assert found.run["tally_sha256"] and (Path(found.folder) / "report.html").exists()


def test_comparisons_name_what_differs(case: Case, tmp_path: Path) -> None:
    dose = np.where(case.labels == 2, 5.0, np.where(case.labels == 3, 3.0, 0.1)).astype(np.float32)
    a, labels = lutra.Image(dose, AFFINE), case.images()["labels"]
    same = lutra.compare(a, a, labels, label_names=NAMES)
    assert all(ratio == 1.0 for ratio in same.regions["ratio"]) and float(same.gamma.array.max()) == 0
    twice = lutra.compare(a, lutra.Image(2 * dose, AFFINE), labels, folder=tmp_path / "compare")
    assert twice.regions["ratio"] == pytest.approx([2.0, 2.0, 2.0]) and float(twice.gamma.array.max()) > 1
    assert twice.folder is not None and (Path(twice.folder) / "report.html").exists()
    assert lutra.gamma(a, a).pass_rate == 1.0
    assert (lutra.gamma(a, lutra.Image(1.5 * dose, AFFINE)).pass_rate or 0.0) < 1.0
    with pytest.raises(lutra.LutraError, match="NaN"):
        lutra.gamma(a, lutra.Image(dose * np.nan, AFFINE))
    histogram = lutra.dvh(a, labels, 2)
    assert histogram.mean_gy == pytest.approx(5.0) and histogram.d2_gy == pytest.approx(5.0)
    with pytest.raises(lutra.MismatchError):
        lutra.dvh(a, lutra.Image(case.labels[1:], AFFINE), 2)


def test_kernels_and_s_values_are_those_of_the_command_line(case: Case, files: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"half": 2, "histories": 2000, "seed": 5}
    made = lutra.kernel(4.8, **options)
    assert made.s_mgy_per_mbq_s.shape == (3, 3, 3)
    assert np.all(made.s_mgy_per_mbq_s[0, 0, 0] >= made.s_mgy_per_mbq_s)
    done = program(
        *("--json", "kernel", "--voxel-mm", 4.8, "--half", 2, "--histories", 2000, "--seed", 5),
        *("--out", tmp_path / "kernel.json"),
    )
    if done.returncode == 0:
        first = json.loads(done.stdout)["s_values"][0]
        assert made.s_mgy_per_mbq_s[0, 0, 0] == first["s_mgy_per_mbq_s"]
    images = case.images()
    rows = lutra.svalue(images["ct"], images["labels"], [2], label_names=NAMES, histories=20_000)
    done = program(
        *("--json", "svalue", "--ct", files / "ct.nii.gz", "--labels", files / "labels.nii.gz", "--source-label", 2),
        *("--label-names", files / "names.csv", "--histories", 20_000, "--engine", "cpu", "--out", tmp_path / "s.csv"),
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)["s_values"]
    assert rows["s_mgy_per_mbq_s"] == [row["s_mgy_per_mbq_s"] for row in theirs]
    with pytest.raises(lutra.LutraError, match="no voxel"):
        lutra.svalue(images["ct"], images["labels"], [9], histories=1000)


def test_files_and_devices_are_looked_at(files: Path, tmp_path: Path) -> None:
    found = lutra.inspect(files / "ct.nii.gz")
    assert found["dims"] == [14, 12, 9] and found["lowest"] == -1000
    assert {Path(image["path"]).name for image in lutra.inspect(files)["images"]} >= {"ct.nii.gz"}
    assert lutra.devices()[0]["engine"] == "cpu"
    with pytest.raises(lutra.LutraError):
        lutra.inspect(tmp_path / "nothing")


def test_devices_are_held_against_each_other(files: Path, tmp_path: Path) -> None:
    record = lutra.parity(
        tmp_path / "parity.json",
        ct=files / "ct.nii.gz",
        decays=files / "activity.nii.gz",
        histories=2000,
    )
    assert record["fault"] is None and (tmp_path / "parity.json").exists()


def test_a_measurement_is_recorded(files: Path, tmp_path: Path) -> None:
    record = lutra.bench(
        tmp_path / "bench",
        ct=files / "ct.nii.gz",
        activity=files / "activity.nii.gz",
        labels=files / "labels.nii.gz",
        activity_unit="mbq_h",
        histories=20_000,
        repeat=1,
    )
    assert record["runs"] and (tmp_path / "bench" / "bench.json").exists()
