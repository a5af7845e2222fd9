"""A run in parts: shards computed anywhere, merged to the integers of the whole run in any order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from . import _lutra
from ._dose import DoseResult, request_of, run_options, stated_of_images, told
from ._images import ImageLike
from ._progress import Progress

__all__ = ["merge", "shard"]

Path: TypeAlias = str | os.PathLike[str]


def shard(
    part: tuple[int, int],
    folder: Path,
    ct: ImageLike | None,
    activity: ImageLike | Sequence[Path],
    labels: ImageLike | None = None,
    *,
    activity_unit: str | None = None,
    histories: float | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    batches: int | None = None,
    nuclide: str | None = None,
    label_names: Mapping[int, str] | Path | None = None,
    administered_mbq: float | None = None,
    emissions: str = "all",
    grid: str | float | None = None,
    outline_sharing: str | None = None,
    density: Path | None = None,
    tissue: Path | None = None,
    tissue_table: Path | None = None,
    effective_half_life_h: float | Mapping[str, float] | None = None,
    fit: str | None = None,
    decay_correction: str | None = None,
    half_life_h: float | None = None,
    injection_time: str | None = None,
    time_zone: str | None = None,
    assume_bq_ml: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every_s: float = 60.0,
    resume: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> str:
    """One part of the histories of a run, written to `folder` for `lutra.merge`; ``lutra dose --shard`` as a function.

    Parameters
    ----------
    part : (int, int)
        (K, N): the K-th of N parts, K from 1 to N, N from 1 to 4096.
    folder : path
        A new or empty folder; it appears whole or not at all. Returned.
    histories : float, optional
        Electron histories of the whole run; default 8 million.

    Further arguments as in `lutra.dose`; all shards of a run get the same. Raises `LutraError`.
    """
    asked = request_of(
        ct,
        activity,
        labels,
        label_names,
        activity_unit,
        administered_mbq,
        nuclide,
        emissions,
        grid,
        outline_sharing,
        None,
        density,
        tissue,
        tissue_table,
        run_options(
            engine,
            histories,
            None,
            None,
            seed,
            threads,
            batches,
            checkpoint,
            checkpoint_every_s,
            resume,
            force,
            (int(part[0]), int(part[1])),
        ),
        stated_of_images(
            effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
        ),
    )
    place, said = _lutra.shard(asked, os.fspath(folder), progress)
    told(said)
    return os.fspath(place)


def merge(folders: Sequence[Path], *, allow_missing: bool = False, progress: Progress | None = None) -> DoseResult:
    """Adds the shards of one run, in any order, to the dose of the whole run, bit for bit; ``lutra merge`` as a function.

    Parameters
    ----------
    folders : paths
        Folders that `lutra.shard` or ``lutra dose --shard`` wrote.
    allow_missing : bool
        Accept that shards are missing: the result of a shorter run.

    The result is that of `lutra.dose`, except that a DICOM study of its own has to be named where it is written as RT Dose.
    Raises `LutraError`: shards of other runs or cases, missing shards.
    """
    handle = _lutra.merge([os.fspath(folder) for folder in folders], allow_missing, progress)
    told(handle.notes())
    return DoseResult(handle)
