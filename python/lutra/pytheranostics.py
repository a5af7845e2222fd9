"""Monte Carlo for PyTheranostics: the slot ``config["Method"] = "Monte-Carlo"`` of its ``VoxelSDosimetry``.

``lutra.pytheranostics.install()`` fills it, ``run_mc(dosimetry)`` does without. Nothing of PyTheranostics is imported before:
its objects are taken as they are. Its arrays run (y, x, z); its images are SimpleITK's and carry their geometry.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dose import DoseResult, dose
from ._errors import MismatchError, MissingError, refused
from ._images import Image

__all__ = ["install", "run_mc"]

#: Where its versions keep the class.
_PLACES = (
    ("pytheranostics.dosimetry.voxel_s_dosimetry", "VoxelSDosimetry"),
    ("pytheranostics.dosimetry.VoxelSDosimetry", "VoxelSDosimetry"),
    ("doodle.dosimetry.VoxelSDosimetry", "VoxelSDosimetry"),
)
#: Masks that hold others.
_ENVELOPES = ("WholeBody", "RemainderOfBody")


def install() -> type[Any]:
    """Lets ``config["Method"] = "Monte-Carlo"`` of PyTheranostics compute with Lutra; the class that was changed.

    ``config["Lutra"]``, where it is there, holds arguments of `lutra.dose`, as in ``{"target_sigma": 0.01}``. Raises
    ``ImportError`` without PyTheranostics.
    """
    failed: list[str] = []
    for place, name in _PLACES:
        try:
            kind: type[Any] = getattr(importlib.import_module(place), name)
        except ImportError as error:
            failed.append(f"{place}: {error}")
            continue

        def run(self: Any) -> None:
            run_mc(self, **self.config.get("Lutra", {}))

        kind.run_MC = run  # pyright: ignore[reportAttributeAccessIssue]
        return kind
    raise ImportError("no PyTheranostics with voxel dosimetry: " + "; ".join(failed))


def run_mc(dosimetry: Any, **options: Any) -> DoseResult:
    """The dose of a ``VoxelSDosimetry`` whose ``tia_map`` is there (``compute_voxel_tia()``), by transport.

    Parameters
    ----------
    dosimetry : VoxelSDosimetry
        ``tia_map`` (MBq h a voxel), ``ct_data`` (HU), ``nm_data`` with masks, ``config`` (``ReferenceTimePoint``,
        ``InjectedActivity`` in MBq).
    options
        Arguments of `lutra.dose`; the result lies on the grid of the activity.

    Puts the dose, mGy, into ``dosimetry.dose_map`` as its own methods do (0 outside ``WholeBody``), keeps the result as
    ``dosimetry.lutra_result``, and returns it. Raises `LutraError`.
    """
    config: dict[str, Any] = dosimetry.config
    reference = int(config.get("ReferenceTimePoint", 0))
    if not dosimetry.tia_map.images:
        next = "Call compute_voxel_tia() before."
        raise refused(MissingError, "dosimetry", "tia_map", "none", "a map of time-integrated activity", next)
    tia = dosimetry.tia_map.images[0]
    masks: dict[str, npt.NDArray[Any]] = dosimetry.nm_data.masks[reference]
    labels, names = _labels(tia, masks)
    injected = config.get("InjectedActivity")
    asked: dict[str, Any] = {
        "activity_unit": "mbq_h",
        "grid": "activity",
        "label_names": names,
        "nuclide": _nuclide(dosimetry.nm_data.meta[reference]),
        "administered_mbq": None if injected is None else float(injected),
        **options,
    }
    result = dose(dosimetry.ct_data.images[reference], tia, labels, **asked)
    dose_mgy = 1000.0 * result.dose_gy.array
    body = masks.get("WholeBody")
    if body is not None:
        dose_mgy *= _turned(np.asarray(body)) > 0
    image = Image(dose_mgy, result.dose_gy.affine).to_sitk()
    # voxel for voxel the image that the masks belong to: what rounding of the affine would add is taken out
    image.CopyInformation(tia)
    dosimetry.dose_map = dosimetry.tia_map.__class__(images={0: image}, meta={0: dosimetry.nm_data.meta[reference]}, modality="DOSE")
    dosimetry.dose_map.masks[0] = dict(masks)
    dosimetry.lutra_result = result
    return result


def _turned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(y, x, z) as (x, y, z)."""
    return np.transpose(array, (1, 0, 2))


def _labels(tia: Any, masks: dict[str, npt.NDArray[Any]]) -> tuple[Image, dict[int, str]]:
    """One label a region, on the grid of the activity; masks that hold others fill what is left.

    Raises `LutraError`: masks of another shape, regions that overlap.
    """
    grid = Image.from_sitk(tia)
    labels = np.zeros(grid.shape, np.uint16)
    names: dict[int, str] = {}
    inner = [name for name in masks if name not in _ENVELOPES]
    for label, name in enumerate(inner, start=1):
        mask = _turned(np.asarray(masks[name])) > 0
        if mask.shape != grid.shape:
            found, allowed = str(mask.shape), f"{grid.shape}, that of the activity"
            raise refused(MismatchError, f"mask {name}", "shape", found, allowed, "Resample the mask.")
        other = np.unique(labels[mask])
        if other.any():
            found = f"shared voxels with {names[int(other[other > 0][0])]}"
            raise refused(MismatchError, f"mask {name}", "voxels", found, "none", "Take the regions apart.")
        labels[mask] = label
        names[label] = name
    rest = next((name for name in ("RemainderOfBody", "WholeBody") if name in masks), None)
    if rest is not None:
        label = len(inner) + 1
        labels[(_turned(np.asarray(masks[rest])) > 0) & (labels == 0)] = label
        names[label] = "RemainderOfBody"
    return Image(labels, grid.affine), names


def _nuclide(meta: Any) -> str:
    """As in ``"lu177"``: the metadata are a dictionary in older versions."""
    stated: Any = getattr(meta, "Radionuclide", None) or meta["Radionuclide"]
    if not stated or str(stated) == "N/A":
        raise refused(MissingError, "meta", "Radionuclide", str(stated), "as in Lu177", "State it in the metadata.")
    letters = "".join(one for one in str(stated) if one.isalpha())
    digits = "".join(one for one in str(stated) if one.isdigit())
    return f"{letters}{digits}".lower()
