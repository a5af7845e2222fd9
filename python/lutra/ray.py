"""One run on a Ray cluster: ``from lutra.ray import dose``.

Shards are tasks. A worker that is lost in the middle costs what it did since its last checkpoint: Ray gives its task to
another. The result has the integers of `lutra.dose` on one machine.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from ._dose import DoseResult
from ._images import ImageLike
from ._scale import compute, merged, tasks

__all__ = ["dose"]


def dose(
    folder: str | os.PathLike[str],
    ct: ImageLike | None,
    activity: ImageLike | Sequence[str | os.PathLike[str]],
    labels: ImageLike | None = None,
    *,
    shards: int,
    retries: int = 3,
    **options: Any,
) -> DoseResult:
    """The absorbed dose, computed by the workers of the Ray cluster that this process is connected to (``ray.init()``).

    Parameters
    ----------
    folder : path
        A folder that all workers see; shards are written there, and a shard that is there is not computed again.
    shards : int
        Number of tasks, 1 to 4096: a few for each worker.
    retries : int
        How often a task whose worker died is given to another.
    options
        Arguments of `lutra.shard` (`activity_unit`, `histories`, `label_names`, ...); ``threads`` (1 here) are those of a
        task, which Ray reserves.

    Raises `LutraError`, from a task too (``ray.exceptions.RayTaskError`` is that error as well), ``ImportError`` without Ray
    (``pip install lutra[ray]``).
    """
    ray: Any = importlib.import_module("ray")
    made = tasks(folder, {"ct": ct, "activity": activity, "labels": labels}, shards, options)
    task = ray.remote(num_cpus=options.get("threads") or 1, max_retries=retries)(compute)
    waiting = [task.remote(one) for one in made]
    try:
        folders: list[str] = ray.get(waiting)
    except BaseException:
        for one in waiting:
            ray.cancel(one)
        raise
    return merged(folders)
