"""What a call costs: memory and time beside the command line, how others fare meanwhile, how interrupts are answered.

    python manners.py CT ACTIVITY UNIT [LABELS]        # files; prints one table

`LUTRA_PROGRAM` is the command line to compare with (without it that of the package), `LUTRA_HISTORIES` the length of a run,
`LUTRA_INTERRUPTS` how many.

Nothing here is a test: figures belong to a machine. docs/python.md states those that were measured.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import lutra

HISTORIES = int(os.environ.get("LUTRA_HISTORIES", "400000"))
INTERRUPTS = int(os.environ.get("LUTRA_INTERRUPTS", "100"))

CALL = """
import json, resource, sys, time
import lutra
kind, ct, activity, unit, labels, histories, threads = sys.argv[1:8]
def read(path):
    if kind == "path" or not path:
        return path or None
    if kind == "sitk":
        import SimpleITK
        return SimpleITK.ReadImage(path)
    import nibabel, numpy
    image = nibabel.load(path)
    return lutra.Image(numpy.asanyarray(image.dataobj), image.affine) if kind == "array" else image
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = [read(ct), read(activity), read(labels)]
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.perf_counter()
result = lutra.dose(*images, activity_unit=unit, histories=float(histories), threads=int(threads))
took = time.perf_counter() - begun
result.save(sys.argv[8])
print(json.dumps({"base_kib": base, "held_kib": held, "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                  "overhead_s": took - result._handle.seconds, "hash": result.tally_hash}))
"""


def child(arguments: list[str], **more: Any) -> tuple[int, str]:
    """Peak memory of a child, KiB, and its output."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, **more) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{arguments[:3]} ended with {process.returncode}")
    return usage.ru_maxrss, text


def memory(files: list[str], unit: str) -> None:
    """Peak memory and overhead of a call from every kind of image, beside the command line."""
    ct, activity, labels = (*files, "")[:3]
    program = os.environ.get("LUTRA_PROGRAM")
    line = [program] if program else [sys.executable, "-m", "lutra"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["dose", "--ct", ct, "--activity", activity, "--activity-unit", unit, "--engine", "cpu", "--quiet"]
        arguments += ["--labels", labels] if labels else []
        arguments += ["--histories", str(HISTORIES), "--threads", "2", "--out", f"{folder}/program"]
        peak, _ = child([*line, *arguments])
        digest = json.loads(Path(folder, "program", "run.json").read_text())["tally_sha256"]
        print(f"{'command line':<14} peak {peak / 1024:7.0f} MiB")
        for kind in ("path", "sitk", "nibabel", "array"):
            call = [kind, ct, activity, unit, labels, str(HISTORIES), "2", f"{folder}/{kind}"]
            _, text = child([sys.executable, "-c", CALL, *call])
            found = json.loads(text.splitlines()[-1])
            same = "same hash" if found["hash"] == digest else "ANOTHER HASH"
            print(
                f"{kind:<14} peak {found['peak_kib'] / 1024:7.0f} MiB, {found['peak_kib'] / peak:.2f} of it; images and "
                f"interpreter before the call {found['held_kib'] / 1024:.0f} MiB (interpreter "
                f"{found['base_kib'] / 1024:.0f}); overhead {1e3 * found['overhead_s']:.1f} ms; {same}"
            )


def interrupts(files: list[str], unit: str) -> None:
    """Interrupts at random moments: how soon they are answered, and whether each resumes to the same tally."""
    given: dict[str, Any] = {"activity_unit": unit, "histories": HISTORIES, "threads": 2, "checkpoint_every_s": 60.0}
    paths = [*files, None][:3]
    begun = time.perf_counter()
    whole = lutra.dose(*paths, **given).tally_hash
    took = time.perf_counter() - begun
    rng, answers, kept, same, finished = random.Random(5), [], 0, 0, 0
    for _ in range(INTERRUPTS):
        with tempfile.TemporaryDirectory() as folder:
            sent: list[float] = []
            pause = took * rng.random()

            def send(pause: float = pause, sent: list[float] = sent) -> None:
                time.sleep(pause)
                sent.append(time.perf_counter())
                os.kill(os.getpid(), signal.SIGINT)

            thread = threading.Thread(target=send)
            thread.start()
            try:
                lutra.dose(*paths, checkpoint=f"{folder}/kept", **given)
                finished += 1
                time.sleep(60)
            except KeyboardInterrupt:
                answers.append(time.perf_counter() - sent[0])
            thread.join()
            lutra._lutra.wait_for_ended(60.0)
            again = Path(folder, "kept").exists()
            kept += again
            same += lutra.dose(*paths, checkpoint=f"{folder}/kept", resume=again, **given).tally_hash == whole
    answers.sort()
    print(
        f"{len(answers)} interrupts of a run of {took:.2f} s: answered within {1e3 * answers[len(answers) // 2]:.0f} ms "
        f"(median), {1e3 * answers[int(0.95 * len(answers))]:.0f} ms (95 %), {1e3 * answers[-1]:.0f} ms (last); "
        f"{sum(one > 0.2 for one in answers)} above 200 ms; {finished} came after the end; {kept} left a checkpoint; "
        f"{same} of {len(answers)} went on to the same tally"
    )


def main(ct: str, activity: str, unit: str, *labels: str) -> None:
    """All of it."""
    files = [ct, activity, *labels]
    memory(files, unit)
    if INTERRUPTS:
        interrupts(files, unit)


if __name__ == "__main__":
    main(*sys.argv[1:])
