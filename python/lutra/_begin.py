"""Where one begins: configurations drafted from images, a patient to practise on, protocols, virtual patients."""

from __future__ import annotations

import json
import os
from typing import Any, TypeAlias

from . import _lutra
from ._dose import DoseResult, run_options, warned
from ._errors import MismatchError, refused
from ._progress import Progress

__all__ = ["cohort", "demo", "init", "practice_patient", "protocols"]

Path: TypeAlias = str | os.PathLike[str]


def init(
    folder: Path, what: str = "dose", *, out: Path | None = None, protocol: str | None = None, force: bool = False
) -> dict[str, Any]:
    """Drafts a commented configuration from a folder of images; ``lutra init`` as a function.

    Parameters
    ----------
    folder : path
        A folder of NIfTI or DICOM; for ``"course"`` one folder a cycle in it.
    what : str
        ``"dose"`` or ``"course"``.
    out : path, optional
        The configuration of a dose, by default ``dose.toml``; or the folder of the drafts of a course. Default: the
        current folder.
    protocol : str, optional
        A built-in protocol of a course.

    Returns what was written, which fields no file states and a person fills in, what is not used and why, and the next
    step. Raises `LutraError`.
    """
    place = None if out is None else os.fspath(out)
    found: dict[str, Any] = json.loads(_lutra.init(os.fspath(folder), what, place, protocol, force))
    return found


def demo(
    *,
    seconds: float | None = None,
    histories: float | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    batches: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_every_s: float = 60.0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> DoseResult:
    """The absorbed dose in a made-up abdomen (120 x 90 x 90 voxels of 3 mm, 7.4 GBq of 177Lu-DOTATATE); ``lutra demo`` as a
    function. It needs no data.

    Parameters
    ----------
    seconds : float, optional
        Time to spend on the transport, s (1 to 86400), in place of `histories`.
    histories : float, optional
        Electron histories; default 8 million.

    The other arguments are those of `lutra.dose`. Raises `LutraError`.
    """
    if seconds is not None and histories is not None:
        raise refused(MismatchError, "histories", None, "beside seconds", "one of them", "Give one of the two.")
    run = run_options(
        engine, histories, None, None, seed, threads, batches, checkpoint, checkpoint_every_s, resume, force
    )
    return warned(DoseResult(_lutra.demo(run, seconds, progress)))


def practice_patient(folder: Path) -> str:
    """Writes a made-up patient as the files that a clinic has: three cycles of 177Lu-DOTATATE with CT, labels, and activity
    images (Bq/mL) at 24, 72 and 168 h; ``lutra demo --practice``. `folder` must be new or empty; returned. Raises `LutraError`.
    """
    return os.fspath(_lutra.practice_patient(os.fspath(folder)))


def protocols() -> dict[str, Any]:
    """The built-in protocols by name, with windows, rules and sources, and the built-in radiobiology."""
    found: dict[str, Any] = json.loads(_lutra.protocols())
    return found


def cohort(protocol: str = "iluminet", *, patients: int = 20_000, seed: int = 177) -> dict[str, Any]:
    """A virtual cohort treated to the first window of a protocol under several stopping policies; ``lutra course --simulate``.

    Returns the shares (0 to 1) that end below, in and above the window, cycles and mean BED (Gy), by policy. Raises
    `LutraError`. Method: docs/methods/course.md of the Lutra book.
    """
    found: dict[str, Any] = json.loads(_lutra.cohort(protocol, patients, seed))
    return found
