"""How a patient moved between two images."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _lutra
from ._dose import Note, names_of, told
from ._images import ImageLike, image_or_path
from ._progress import Progress

__all__ = ["RegisterResult", "register"]

Path: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class RegisterResult:
    """A transform between two images and how it was judged.

    Attributes
    ----------
    moving_from_fixed : array, shape (4, 4)
        From a point of the fixed image to the point of the moving image where the same tissue lies, RAS mm.
    record : dict
        ``transform.json``: both directions, metric, shift (mm), rotation (degrees), overlap, how far the halves of the data
        and the way there and back lie apart (mm), regions.
    words : str
        The findings in words.
    notes : list of Note
        What was said.
    folder : str or None
        Where it was written.
    """

    moving_from_fixed: npt.NDArray[np.float64]
    record: dict[str, Any]
    words: str
    notes: list[Note]
    folder: str | None


def register(
    fixed: ImageLike,
    moving: ImageLike,
    labels: ImageLike | None = None,
    *,
    label_names: Mapping[int, str] | Path | None = None,
    kind: str = "rigid",
    metric: str = "auto",
    folder: Path | None = None,
    deidentify: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> RegisterResult:
    """How the patient moved between two images; ``lutra register`` as a function.

    Parameters
    ----------
    fixed, moving : image
        Two images of one patient: CT numbers (HU) or activity in any unit, each on its own grid.
    labels : image, optional
        Regions in the frame of the fixed image: only they and 15 mm around them are looked at.
    kind : str
        ``"rigid"`` (turn and shift) or ``"affine"`` (also scale and shear).
    metric : str
        ``"auto"`` (by the kinds of the images), ``"mutual-information"``, ``"correlation"`` or ``"log-correlation"``.
    folder : path, optional
        Where transform (JSON, ITK, DICOM where both images are), displacements and pictures are written.
    deidentify : bool
        The registration object without what identifies the patient.

    Raises `LutraError`: images whose kind is unclear, two patients, a result that its own checks refuse. Method:
    docs/methods/registration.md of the Lutra book.
    """
    terms = {"kind": kind, "metric": metric, "deidentify": deidentify, "force": force}
    record, words, place, said = _lutra.register(
        image_or_path(fixed, "fixed"),
        image_or_path(moving, "moving"),
        image_or_path(labels, "labels"),
        names_of(label_names),
        terms,
        None if folder is None else os.fspath(folder),
        progress,
    )
    found: dict[str, Any] = json.loads(record)
    matrix = np.array(found["moving_from_fixed_ras_mm"], dtype=np.float64)
    return RegisterResult(matrix, found, words, told(said), None if place is None else os.fspath(place))
