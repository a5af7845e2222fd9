"""What Dask and Ray share: a run as tasks, each a shard, which may be lost and done again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._dose import DoseResult
from ._errors import InvalidError, refused
from ._images import Image, image_or_path, images_or_paths
from ._parts import merge, shard

__all__ = ["Task", "compute", "merged", "tasks"]

#: Images in memory, once for all tasks.
_IMAGES = "images.npz"


@dataclass(frozen=True)
class Task:
    """One shard: which, where, of what.

    Attributes
    ----------
    part : (int, int)
        (K, N).
    folder : str
        The common folder.
    paths : dict
        Images that are files, by role.
    inside : tuple of str
        Roles whose images lie in the common folder.
    options : dict
        Arguments of `lutra.shard`.
    """

    part: tuple[int, int]
    folder: str
    paths: dict[str, str | list[str]]
    inside: tuple[str, ...]
    options: dict[str, Any] = field(repr=False)

    @property
    def place(self) -> str:
        """Where the shard is written."""
        return os.path.join(self.folder, f"shard-{self.part[0]}-of-{self.part[1]}")


def tasks(
    folder: str | os.PathLike[str], images: Mapping[str, Any], shards: int, options: Mapping[str, Any]
) -> list[Task]:
    """The tasks of a run. Images in memory are written to the folder once; each worker reads them there.

    Raises `LutraError`.
    """
    if not 1 <= shards <= 4096:
        raise refused(InvalidError, "shards", None, str(shards), "from 1 to 4096", "Take a few for each worker.")
    place: str = os.path.abspath(os.fspath(folder))
    os.makedirs(place, exist_ok=True)
    paths: dict[str, str | list[str]] = {}
    arrays: dict[str, Any] = {}
    inside: list[str] = []
    for role, image in images.items():
        taken = images_or_paths(image, role) if role == "activity" else image_or_path(image, role)
        if isinstance(taken, Image):
            inside.append(role)
            arrays.update({f"{role}.array": taken.array, f"{role}.affine": taken.affine})
        elif isinstance(taken, list):
            paths[role] = [os.path.abspath(one) for one in taken]
        elif taken is not None:
            paths[role] = os.path.abspath(taken)
    if arrays:
        partial = os.path.join(place, f"{_IMAGES}.{os.getpid()}.partial")
        with open(partial, "wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, os.path.join(place, _IMAGES))
    return [Task((part, shards), place, paths, tuple(inside), dict(options)) for part in range(1, shards + 1)]


def compute(task: Task) -> str:
    """Computes a shard, or finds it done; its folder. A task that was lost goes on from its last checkpoint."""
    if os.path.exists(os.path.join(task.place, "run.json")):
        return task.place
    images: dict[str, Any] = dict(task.paths)
    if task.inside:
        with np.load(os.path.join(task.folder, _IMAGES), allow_pickle=False) as arrays:
            for role in task.inside:
                images[role] = Image(arrays[f"{role}.array"], arrays[f"{role}.affine"])
    checkpoint = f"{task.place}.checkpoint"
    kept = {"checkpoint": checkpoint, "resume": os.path.isdir(checkpoint), "threads": 1}
    options: dict[str, Any] = {**kept, **task.options}
    return shard(task.part, task.place, images.get("ct"), images["activity"], images.get("labels"), **options)


def merged(folders: list[str]) -> DoseResult:
    """The whole run. Shards of another run that were left in the folder are refused."""
    return merge(folders)
