"""Good manners: threads, interrupts, checkpoints, forks, pickles, warnings."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import AFFINE, HISTORIES, NAMES, ByProgram, Case, program

import lutra


@pytest.fixture(scope="module")
def long(case: Case) -> int:
    """Histories of about two seconds on two threads of this machine."""
    few = 20_000
    run(case, histories=few, threads=2)
    cost = run(case, histories=few, threads=2).run["cost"]
    return max(few, round(2.0 * few / cost["transport_wall_seconds"]) // few * few)


def run(case: Case, **more: Any) -> lutra.DoseResult:
    images = case.images()
    options: dict[str, Any] = {"activity_unit": "mbq_h", "histories": HISTORIES, "label_names": NAMES}
    return lutra.dose(images["ct"], images["activity"], images["labels"], **{**options, **more})


def interrupted(after_s: float, case: Case, **more: Any) -> float:
    """Seconds from the signal to the exception."""
    sent: list[float] = []

    def send() -> None:
        time.sleep(after_s)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(case, **more)
            time.sleep(60)
        return time.perf_counter() - sent[0]
    finally:
        thread.join()


def test_interrupts_are_answered_and_resume_to_the_same_tally(case: Case, long: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"histories": long, "threads": 2, "checkpoint_every_s": 60.0}
    begun = time.perf_counter()
    whole = run(case, **options).tally_hash
    took = time.perf_counter() - begun
    rng = random.Random(3)
    answers = []
    for number in range(5):
        place = tmp_path / str(number)
        answers.append(interrupted(0.6 * took * rng.random(), case, checkpoint=place, **options))
        # the next call waits for what is left of the one before
        if any(place.glob("*.lutra")):
            assert run(case, checkpoint=place, resume=True, **options).tally_hash == whole
    assert sorted(answers)[len(answers) // 2] < 0.2 and max(answers) < 0.5, answers


def test_an_interrupt_within_a_batch_loses_that_batch_alone(case: Case, long: int, tmp_path: Path) -> None:
    seen: list[float] = []

    def tell(done: float, _sigma: float | None, _what: str) -> None:
        seen.append(done)
        if done > 0.3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run(case, histories=long, checkpoint=tmp_path / "kept", progress=tell)
    assert lutra._lutra.wait_for_ended(10.0)
    with pytest.raises(lutra.OccupiedError, match="resume"):
        run(case, histories=long, checkpoint=tmp_path / "kept")
    begun: list[float] = []
    result = run(
        case,
        histories=long,
        checkpoint=tmp_path / "kept",
        resume=True,
        progress=lambda done, _sigma, _what: begun.append(done),
    )
    assert begun[0] > 0.2 and result.tally_hash == run(case, histories=long).tally_hash
    result.save(tmp_path / "out")
    assert not any((tmp_path / "kept").glob("*.lutra")), "checkpoints go once the result is saved"


def test_progress_comes_in_the_callers_thread(case: Case, long: int) -> None:
    heard: list[tuple[float, float | None, str, int]] = []
    run(case, histories=long // 4, progress=lambda *parts: heard.append((*parts, threading.get_ident())))
    assert heard[-1][0] == pytest.approx(1.0) and all(one[3] == threading.get_ident() for one in heard)
    assert [one[0] for one in heard] == sorted(one[0] for one in heard)


def test_tqdm_shows_progress(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    run(case, progress=lutra.tqdm_progress())
    assert "100%" in capsys.readouterr().err


def kept(seconds: float) -> float:
    """Share of its time that this thread runs a loop in pure Python. Time in which it is ready and another process has the
    core is not counted: the machine is shared. What is left is waiting for the interpreter."""

    def waited_for_a_core() -> float:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return 1e-9 * int(file.read().split()[1])

    begun, cpu, wait = time.perf_counter(), time.thread_time(), waited_for_a_core()
    while time.perf_counter() < begun + seconds:
        pass
    ran, ready = time.thread_time() - cpu, time.perf_counter() - begun - (waited_for_a_core() - wait)
    return ran / ready


def beside(work: Any, seconds: float = 1.0) -> float:
    """What share a thread keeps while another one works."""
    done = threading.Event()

    def again() -> None:
        while not done.is_set():
            work()

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(again)
        time.sleep(0.1)
        try:
            return kept(seconds)
        finally:
            done.set()
            busy.result()


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the kernel keeps no account of threads")
def test_other_threads_keep_their_rate(case: Case, long: int) -> None:
    share = max(beside(lambda: run(case, histories=long // 10, threads=1)) for _ in range(3))
    assert share > 0.9, share


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the kernel keeps no account of threads")
def test_alarm_a_thread_that_holds_the_interpreter_takes_half() -> None:
    assert beside(lambda: sum(range(10_000))) < 0.7


def kept_checkpoints(place: Path) -> bool:
    return any(place.glob("*.lutra"))


def test_a_result_that_is_not_saved_leaves_no_checkpoints(case: Case, tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "kept", "checkpoint_every_s": 0.001, "batches": 10}
    result = run(case, **options)
    assert kept_checkpoints(tmp_path / "kept"), "until the result is saved or dropped"
    dose = result.dose_gy
    del result
    assert not (tmp_path / "kept").exists() and float(dose.array.max()) > 0
    result = run(case, **options)
    result.save(tmp_path / "out")
    assert not (tmp_path / "kept").exists()


SCRIPT = """
import sys
import numpy as np
import lutra
ct = lutra.Image(np.arange(216.0).reshape(6, 6, 6) % 9, np.diag([4.0, 4.0, 4.0, 1.0]))
activity = lutra.Image(np.full((6, 6, 6), 1e6), ct.affine)
result = lutra.dose(ct, activity, activity_unit="decays", histories=20000, checkpoint=sys.argv[1], checkpoint_every_s=0.001)
if len(sys.argv) > 2:
    raise SystemError("before it was saved")
"""


def test_checkpoints_outlive_a_script_that_failed_alone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path / "kept"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "kept").exists()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "kept", "fail"], capture_output=True, text=True, check=False
    )
    assert "before it was saved" in done.stderr
    assert kept_checkpoints(tmp_path / "kept"), "what was computed is not lost with the script"


def test_calls_from_several_threads_do_not_mix(case: Case, by_program: ByProgram) -> None:
    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(lambda seed: run(case, seed=seed, threads=1).tally_hash, [177, 178, 177, 178]))
    assert hashes[0] == hashes[2] == by_program.record["tally_sha256"]
    assert hashes[1] == hashes[3] != hashes[0]


def _in_child(case: Case, sender: Any) -> None:
    sender.send(run(case).tally_hash)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_computes_as_its_parent(case: Case, by_program: ByProgram) -> None:
    run(case, histories=1000)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(case, sender))
    child.start()
    assert receiver.poll(60) and receiver.recv() == by_program.record["tally_sha256"]
    child.join()


def test_results_and_errors_are_pickled(case: Case, tmp_path: Path) -> None:
    result = run(case)
    again: lutra.DoseResult = pickle.loads(pickle.dumps(result))
    assert again.tally_hash == result.tally_hash and again.regions == result.regions
    np.testing.assert_array_equal(again.dose_gy.array, result.dose_gy.array)
    np.testing.assert_array_equal(again.dvh("kidney_left").share, result.dvh("kidney_left").share)
    with pytest.raises(lutra.LutraError, match="pickled"):
        again.save(tmp_path / "out")
    with pytest.raises(lutra.LutraError) as refused:
        run(case, activity_unit=None)
    error = pickle.loads(pickle.dumps(refused.value))
    assert type(error) is type(refused.value) and vars(error) == vars(refused.value)


def test_warnings_are_pythons(case: Case) -> None:
    images = case.images()
    far = AFFINE.copy()
    far[0, 3] += 24
    with pytest.warns(lutra.LutraWarning, match="outside") as said:
        lutra.dose(images["ct"], lutra.Image(case.activity, far), activity_unit="mbq_h", histories=4000)
    assert "decays-outside" in {getattr(one.message, "code", None) for one in said}
    assert all(Path(one.filename).name == "test_manners.py" for one in said)


def test_the_command_line_is_there(tmp_path: Path) -> None:
    assert program("--version").stdout.split()[1] == lutra.__version__
    refused = program("dose")
    assert refused.returncode == 2 and "--activity" in refused.stderr
    script = Path(sys.executable).with_name("lutra")
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout.startswith("lutra")


def test_every_setting_is_an_argument() -> None:
    assert len(set(lutra._lutra.arguments().values())) == len(lutra._lutra.arguments())
