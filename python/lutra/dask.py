"""One run on a Dask cluster: ``from lutra.dask import dose``.

Shards are tasks. A worker that is lost in the middle costs what it did since its last checkpoint: Dask gives its task to
another. The result has the integers of `lutra.dose` on one machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ._dose import DoseResult
from ._images import ImageLike
from ._scale import compute, merged, tasks

__all__ = ["dose"]


def dose(
    client: Any,
    folder: str | os.PathLike[str],
    ct: ImageLike | None,
    activity: ImageLike | Sequence[str | os.PathLike[str]],
    labels: ImageLike | None = None,
    *,
    shards: int,
    retries: int = 3,
    **options: Any,
) -> DoseResult:
    """The absorbed dose, computed by the workers of a cluster.

    Parameters
    ----------
    client : dask.distributed.Client
        The cluster. Workers need this package.
    folder : path
        A folder that all workers see; shards are written there, and a shard that is there is not computed again.
    shards : int
        Number of tasks, 1 to 4096: a few for each worker.
    retries : int
        How often a task that raised is tried again.
    options
        Arguments of `lutra.shard` (`activity_unit`, `histories`, `label_names`, ...); ``threads`` (1 here) are those of a
        task.

    Raises `LutraError`, from a task too; what a worker's death leaves undone is done by another.
    """
    made = tasks(folder, {"ct": ct, "activity": activity, "labels": labels}, shards, options)
    futures = [client.submit(compute, task, pure=False, retries=retries) for task in made]
    try:
        folders: list[str] = client.gather(futures)
    except BaseException:
        client.cancel(futures)
        raise
    return merged(folders)
