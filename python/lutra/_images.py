"""Images: arrays with geometry, from SimpleITK and nibabel and back."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ._errors import InvalidError, MismatchError, refused

__all__ = ["Image", "ImageLike"]

#: How far two statements of one affine may differ, mm.
_AFFINE_MM = 1e-3


class Image:
    """An array and where its voxels lie.

    Parameters
    ----------
    array : array, shape (nx, ny, nz)
        Values, indexed (x, y, z) in the order of the affine; any dtype of numbers, any memory order, read-only or not.
    affine : array, shape (4, 4) or (3, 4)
        From the voxel index (centres at whole numbers) to world coordinates in mm, RAS: towards the patient's right, front
        and head.

    Nothing is copied: `array` is the array that was given. ``numpy.asarray(image)`` is the array too.
    """

    __slots__ = ("_affine", "_array")

    def __init__(self, array: npt.ArrayLike, affine: npt.ArrayLike) -> None:
        values = np.asanyarray(array)
        if values.dtype == object or values.dtype.kind not in "biuf":
            raise refused(
                InvalidError, "array", "dtype", str(values.dtype), "numbers", "Convert the array to float or integer."
            )
        while values.ndim > 3 and values.shape[-1] == 1:
            values = values[..., 0]
        if values.ndim != 3:
            raise refused(
                MismatchError, "array", "axes", str(values.ndim), "3, indexed (x, y, z)", "Give one volume."
            )
        turned = np.asarray(affine, dtype=np.float64)
        if turned.shape not in ((4, 4), (3, 4)):
            raise refused(
                MismatchError, "affine", "shape", str(turned.shape), "(4, 4)", "Give the matrix from index to RAS mm."
            )
        if turned.shape == (4, 4) and not np.array_equal(turned[3], [0.0, 0.0, 0.0, 1.0]):
            raise refused(
                InvalidError, "affine", "last row", str(turned[3].tolist()), "0 0 0 1", "Give the matrix as it is used."
            )
        self._array: npt.NDArray[Any] = values
        self._affine = np.vstack([turned[:3], [0.0, 0.0, 0.0, 1.0]])
        self._affine.flags.writeable = False

    @property
    def array(self) -> npt.NDArray[Any]:
        """The values, indexed (x, y, z)."""
        return self._array

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """From the voxel index to RAS mm, shape (4, 4), read-only."""
        return self._affine

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each axis."""
        nx, ny, nz = self._array.shape
        return nx, ny, nz

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Edges of a voxel along each axis, mm."""
        dx, dy, dz = (float(edge) for edge in np.linalg.norm(self._affine[:3, :3], axis=0))
        return dx, dy, dz

    @property
    def _rows(self) -> list[list[float]]:
        rows: list[list[float]] = self._affine[:3].tolist()
        return rows

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy:
            return np.array(self._array, dtype=dtype)
        return np.asarray(self._array, dtype=dtype)

    def __repr__(self) -> str:
        edges = " x ".join(f"{edge:g}" for edge in self.spacing_mm)
        return f"lutra.Image({' x '.join(map(str, self.shape))} voxels of {edges} mm, {self._array.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Image, (np.asarray(self._array), np.asarray(self._affine))

    def to_sitk(self) -> Any:
        """The image of SimpleITK (LPS), with the same values at the same places; values are copied.

        Raises ``ImportError`` without SimpleITK (``pip install lutra[images]``).
        """
        sitk: Any = importlib.import_module("SimpleITK")

        image = sitk.GetImageFromArray(np.ascontiguousarray(self._array.T))
        spacing = np.array(self.spacing_mm)
        lps = np.diag([-1.0, -1.0, 1.0])
        image.SetSpacing([float(edge) for edge in spacing])
        image.SetOrigin([float(place) for place in lps @ self._affine[:3, 3]])
        image.SetDirection([float(cosine) for cosine in (lps @ self._affine[:3, :3] / spacing).ravel()])
        return image

    def to_nibabel(self) -> Any:
        """The image of nibabel (RAS mm, form code 1: scanner), without a copy of the values.

        Raises ``ImportError`` without nibabel (``pip install lutra[images]``).
        """
        nib: Any = importlib.import_module("nibabel")

        image = nib.Nifti1Image(self._array, np.asarray(self._affine))
        image.header.set_xyzt_units("mm")
        image.set_sform(self._affine, code=1)
        image.set_qform(self._affine, code=1)
        return image

    @classmethod
    def from_sitk(cls, image: Any) -> Image:
        """A SimpleITK image (LPS mm), without a copy of its values."""
        sitk: Any = importlib.import_module("SimpleITK")

        if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
            found = f"{image.GetDimension()} axes, {image.GetNumberOfComponentsPerPixel()} values a voxel"
            raise refused(MismatchError, "SimpleITK image", "axes", found, "3 axes, 1 value", "Give one volume.")
        lps = np.diag([-1.0, -1.0, 1.0])
        affine = np.eye(4)
        affine[:3, :3] = lps @ np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
        affine[:3, 3] = lps @ np.array(image.GetOrigin())
        made = cls(sitk.GetArrayViewFromImage(image).T, affine)
        return made

    @classmethod
    def from_nibabel(cls, image: Any) -> Image:
        """A nibabel image (RAS); values are read with its scale.

        Raises `LutraError` where the header states no place, a unit other than mm, or two places that differ.
        """
        header = image.header
        if hasattr(header, "get_xyzt_units"):
            unit = header.get_xyzt_units()[0]
            if unit not in ("mm", "unknown"):
                raise refused(MismatchError, "nibabel image", "unit", unit, "mm", "Write the image again in mm.")
        if hasattr(image, "get_sform"):
            sform, s_code = image.get_sform(coded=True)
            qform, q_code = image.get_qform(coded=True)
            if not s_code and not q_code:
                raise refused(
                    InvalidError,
                    "nibabel image",
                    "orientation",
                    "none (sform and qform codes are 0)",
                    "a stated one",
                    "Set the sform, or give lutra.Image(array, affine).",
                )
            far = np.array(image.shape[:3]) - 1.0
            corners = np.array(np.meshgrid(*[[0.0, last] for last in far])).reshape(3, -1)
            apart = 0.0
            if s_code and q_code:
                apart = float(np.abs(sform[:3, :3] @ corners + sform[:3, 3:] - qform[:3, :3] @ corners - qform[:3, 3:]).max())
            if apart > max(_AFFINE_MM, 1e-5 * float(far.max())):
                raise refused(
                    MismatchError,
                    "nibabel image",
                    "orientation",
                    f"sform and qform that differ by up to {apart:.3g} mm",
                    "one place for a voxel",
                    "Clear the one that is wrong (code 0).",
                )
        return cls(np.asanyarray(image.dataobj), image.affine)


#: What stands for an image: :class:`Image`, a SimpleITK or nibabel image, the path of a NIfTI or DICOM file or folder.
ImageLike: TypeAlias = Image | str | os.PathLike[str] | Any


def _module(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def image_or_path(value: ImageLike | None, role: str) -> Image | str | None:
    """What the binding takes: an image with native numbers, or a path."""
    if value is None:
        return None
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Image):
        image = value
    elif _module(value) == "SimpleITK":
        image = Image.from_sitk(value)
    elif hasattr(value, "dataobj") and hasattr(value, "affine"):
        image = Image.from_nibabel(value)
    else:
        found = f"a {type(value).__name__}" + (" without geometry" if hasattr(value, "shape") else "")
        raise refused(
            InvalidError,
            role,
            "image",
            found,
            "lutra.Image(array, affine), a SimpleITK or nibabel image, or a path",
            "Say where the voxels lie: give lutra.Image(array, affine).",
        )
    return _native(image)


def _native(image: Image) -> Image:
    """The same with a dtype that the binding reads: native, no half or long floats, no bool."""
    values = image.array
    kind = values.dtype
    if type(values) is not np.ndarray:
        values = np.asarray(values)
    if kind == np.bool_:
        values = values.view(np.uint8)
    elif kind == np.float16:
        values = values.astype(np.float32)
    elif kind.kind == "f" and kind.itemsize > 8:
        values = values.astype(np.float64)
    elif not kind.isnative:
        values = values.astype(kind.newbyteorder("="))
    return image if values is image.array else Image(values, image.affine)


def native_image(value: ImageLike, role: str) -> Image:
    """An image in memory; that of a NIfTI file is read by nibabel."""
    if isinstance(value, (str, os.PathLike)):
        nib: Any = importlib.import_module("nibabel")

        value = nib.load(os.fspath(value))
    made = image_or_path(value, role)
    if not isinstance(made, Image):
        raise refused(InvalidError, role, "image", "none", "an image", "Give one.")
    return made


def images_or_paths(value: ImageLike | Sequence[str | os.PathLike[str]] | None, role: str) -> Image | str | list[str] | None:
    """As `image_or_path`; several paths of one series too."""
    if isinstance(value, (list, tuple)):
        return [os.fspath(one) for one in cast("Sequence[str | os.PathLike[str]]", value)]
    return image_or_path(value, role)
