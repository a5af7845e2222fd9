"""Voxel S-value kernels and point kernels: computed, as arrays, and in the layouts that other programs read."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _lutra
from ._dose import Note, told
from ._errors import InvalidError, MismatchError, OccupiedError, UnknownError, UnwritableError, refused
from ._progress import Progress

__all__ = ["KernelResult", "PointKernel", "kernel", "point_kernel"]

Path: TypeAlias = str | os.PathLike[str]

#: Names of media in the databases of voxel S values that MIRDCalculation reads.
_MIRD_TISSUES = {"soft": "Soft", "soft-tissue": "Soft", "bone": "Bone", "cortical-bone": "Bone"}


class KernelResult:
    """A voxel S-value kernel.

    Arrays are indexed by the offset from the source voxel: entry (i, j, k) stands for (+-i, +-j, +-k).
    """

    def __init__(self, handle: _lutra.Kernel) -> None:
        self._handle = handle
        self._maps: dict[str, npt.NDArray[np.float64]] = handle.maps()
        self.record: dict[str, Any] = json.loads(handle.record_json())
        self.notes: list[Note] = told(handle.notes(), 4)

    @property
    def s_mgy_per_mbq_s(self) -> npt.NDArray[np.float64]:
        """S value, mGy/(MBq s)."""
        return self._maps["s_mgy_per_mbq_s"]

    @property
    def electron_kev(self) -> npt.NDArray[np.float64]:
        """Energy that electrons leave there, keV per decay."""
        return self._maps["electron_kev"]

    @property
    def photon_kev(self) -> npt.NDArray[np.float64]:
        """Energy that photons leave there, keV per decay."""
        return self._maps["photon_kev"]

    @property
    def error_kev(self) -> npt.NDArray[np.float64]:
        """Standard error of both together, keV per decay."""
        return self._maps["error_kev"]

    def cube(self, half: int | None = None) -> npt.NDArray[np.float64]:
        """S values of all signed offsets, mGy/(MBq s): shape (2 n + 1) along each axis with the source in the middle, as
        ``scipy.signal.fftconvolve`` takes it. `half` cuts it to offsets up to that many voxels.

        Raises `LutraError` where the kernel does not reach that far.
        """
        octant = self.s_mgy_per_mbq_s
        if half is not None:
            if not 0 <= half < min(octant.shape):
                allowed = f"from 0 to {min(octant.shape) - 1}"
                raise refused(InvalidError, "half", None, str(half), allowed, "Compute a larger kernel.")
            octant = octant[: half + 1, : half + 1, : half + 1]
        reaches: list[int] = [size - 1 for size in octant.shape]
        offsets = [np.abs(np.arange(-reach, reach + 1, dtype=np.intp)) for reach in reaches]
        cube: npt.NDArray[np.float64] = octant[np.ix_(*offsets)]
        return cube

    def save(self, path: Path, *, force: bool = False) -> list[str]:
        """Writes what ``lutra kernel`` writes, in the layout of the ending: ``.nii``, ``.nii.gz`` (with a second file of
        relative errors), ``.csv``, ``.txt`` (the table of Lanconelli et al. 2012), ``.img`` or ``.raw`` (float32 cube). Returns
        the files. Raises `LutraError`.
        """
        return [os.fspath(file) for file in self._handle.save(os.fspath(path), force=force)]

    def save_pytheranostics(self, folder: Path, *, force: bool = False) -> list[str]:
        """Writes the kernel into PyTheranostics' folder ``data/voxel_kernels``, under both names that its versions look for:
        the octant as CSV (since 2025), and the float32 cube of 51 voxels ``Lu177-4.80-mm-mGyperMBqs-SoftICRP.img`` (before)
        where the kernel reaches 25 voxels. S in mGy/(MBq s). Returns the files.

        Raises `LutraError`: voxels that are not cubes, a kernel that is not one, a place that is taken or cannot be written.
        """
        edge_mm = self._cubic("PyTheranostics")
        mass, symbol = self._nuclide()
        half = min(self.s_mgy_per_mbq_s.shape) - 1
        side = 2 * half + 1
        octant = self.s_mgy_per_mbq_s[: half + 1, : half + 1, : half + 1]
        lines = [",".join(f"{value:.6e}" for value in row) for k in range(half + 1) for row in octant[:, :, k].T]
        name = f"{mass}{symbol}_{self.record['half_life_h'] / 24.0:.4g}d_all_{edge_mm:g}mm_{side}x{side}x{side}.csv"
        files = {name: "\n".join(lines).encode() + b"\n"}
        if half >= 25 and _MIRD_TISSUES.get(self.record["tissue"]) == "Soft":
            cube = self.cube(25).astype("<f4")
            files[f"{symbol}{mass}-{edge_mm:1.2f}-mm-mGyperMBqs-SoftICRP.img"] = cube.tobytes()
        return _written(folder, files, force)

    def save_mirdcalculation(self, folder: Path, *, force: bool = False) -> list[str]:
        """Writes the kernel into MIRDCalculation's folder ``MIRD/VoxelSValues``: offsets and S in mGy/(MBq s), by tabs, under
        head lines that name nuclide, voxel and medium. It interpolates between the voxel sizes that it finds there. Returns the
        files.

        Raises `LutraError`: voxels that are not cubes, a medium other than soft tissue or bone, offsets below 5 (it asks for
        6 on each axis), a place that is taken or cannot be written.
        """
        edge_mm = self._cubic("MIRDCalculation")
        mass, symbol = self._nuclide()
        tissue = _MIRD_TISSUES.get(str(self.record["tissue"]))
        if tissue is None:
            found, allowed = str(self.record["tissue"]), "soft, bone"
            raise refused(UnknownError, "kernel", "tissue", found, allowed, "MIRDCalculation knows these two.")
        half = min(self.s_mgy_per_mbq_s.shape) - 1
        if half < 5:
            raise refused(InvalidError, "kernel", "half", str(half), "5 or more", "Compute a larger kernel.")
        lines = [f"{mass}{symbol} - {edge_mm:g} mm - {tissue} tissue", "x\ty\tz\tS [mGy/(MBq s)]"]
        offsets = np.ndindex(half + 1, half + 1, half + 1)
        lines += [f"{i}\t{j}\t{k}\t{self.s_mgy_per_mbq_s[i, j, k]:.6E}" for i, j, k in offsets]
        name = f"{mass}{symbol}_{edge_mm:g}mm_{tissue}.txt"
        return _written(folder, {name: "\n".join(lines).encode("latin1") + b"\n"}, force)

    def _cubic(self, reader: str) -> float:
        edges: list[float] = self.record["voxel_mm"]
        if max(edges) - min(edges) > 1e-9:
            found = " x ".join(f"{edge:g}" for edge in edges) + " mm"
            raise refused(MismatchError, "kernel", "voxels", found, f"cubes, for {reader}", "Compute a cubic kernel.")
        return edges[0]

    def _nuclide(self) -> tuple[str, str]:
        """Mass number and symbol, as in ``("177", "Lu")``."""
        name = str(self.record["nuclide"])
        found = re.search(r"\d+", name), re.search(r"[A-Za-z]+", name)
        if found[0] is None or found[1] is None:
            raise refused(UnknownError, "kernel", "nuclide", name, "a symbol and a mass number", "Name it as in Lu-177.")
        return found[0].group(), found[1].group().capitalize()

    def __repr__(self) -> str:
        edges = " x ".join(f"{edge:g}" for edge in self.record["voxel_mm"])
        return f"<lutra.KernelResult of {self.record['nuclide']} in {self.record['medium']}, voxels of {edges} mm>"


def _written(folder: Path, files: Mapping[str, bytes], force: bool) -> list[str]:
    """Writes files, each whole or not at all; none where one of them is there and not to be replaced."""
    place = os.fspath(folder)
    paths = {os.path.join(place, name): content for name, content in files.items()}
    for path in paths:
        if os.path.lexists(path) and not force:
            raise refused(OccupiedError, path, None, "a file", "none", "Give force=True to replace it.")
    try:
        os.makedirs(place, exist_ok=True)
        for path, content in paths.items():
            partial = f"{path}.{os.getpid()}.partial"
            try:
                with open(partial, "wb") as file:
                    file.write(content)
                os.replace(partial, path)
            finally:
                if os.path.exists(partial):
                    os.remove(partial)
    except OSError as error:
        raise refused(UnwritableError, place, None, str(error), "a folder that can be written", "Choose another.") from error
    return list(paths)


def _medium(
    tissue: str, density_g_cm3: float | None, nuclide: str, histories: float, seed: int, threads: int | None
) -> dict[str, Any]:
    return {
        "tissue": tissue,
        "density_g_cm3": density_g_cm3,
        "nuclide": nuclide,
        "histories": float(histories),
        "seed": seed,
        "threads": threads,
    }


def kernel(
    voxel_mm: float | tuple[float, float, float],
    *,
    half: int | tuple[int, int, int] = 25,
    tissue: str = "soft",
    density_g_cm3: float | None = None,
    nuclide: str = "lu177",
    histories: float = 400_000,
    seed: int = 177,
    threads: int | None = None,
    progress: Progress | None = None,
) -> KernelResult:
    """A voxel S-value kernel in an endless medium; ``lutra kernel`` as a function.

    Parameters
    ----------
    voxel_mm : float or three floats
        Edges of a voxel, mm (0.05 to 100).
    half : int or three ints
        Largest offsets, voxels (0 to 512).
    tissue : str
        A built-in tissue, or a tissue table.
    density_g_cm3 : float, optional
        Density, g/cm3 (0.001 to 30); default the tissue's own.
    histories : float
        Electron histories, 1 to 1e15.

    Raises `LutraError`. Method: docs/methods/svalues.md of the Lutra book.
    """
    edges = (voxel_mm,) * 3 if isinstance(voxel_mm, (int, float)) else voxel_mm
    halves = (half,) * 3 if isinstance(half, int) else half
    medium = _medium(tissue, density_g_cm3, nuclide, histories, seed, threads)
    return KernelResult(_lutra.kernel([float(edge) for edge in edges], list(halves), medium, progress))


class PointKernel:
    """A radial point kernel: energy and dose by distance from a point source.

    Attributes
    ----------
    record : dict
        Nuclide, tissue, density (g/cm3), energy (keV per decay) with its closure, and the radii (mm) within which 50 and
        90 % of the energy of electrons and photons lie.
    columns : dict of columns
        As in the CSV of ``lutra dpk``: part, radii (mm), energy (keV per decay) with ``sigma_rel``, dose (Gy per decay).
    """

    def __init__(self, record: dict[str, Any], text: str) -> None:
        self.record = record
        self.columns: dict[str, list[Any]] = _columns(text)

    def __repr__(self) -> str:
        return f"<lutra.PointKernel of {self.record['nuclide']} in {self.record['tissue']}>"


def _columns(text: str) -> dict[str, list[Any]]:
    """Columns of a CSV table with comments; numbers as numbers."""

    def value(cell: str) -> Any:
        try:
            number = float(cell)
        except ValueError:
            return cell
        return number if math.isfinite(number) else cell

    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: [value(row[n]) for row in rows[1:]] for n, name in enumerate(rows[0])}


def point_kernel(
    *,
    tissue: str = "soft",
    density_g_cm3: float | None = None,
    nuclide: str = "lu177",
    histories: float = 400_000,
    seed: int = 177,
    threads: int | None = None,
    path: Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> PointKernel:
    """A radial point kernel in an endless medium; ``lutra dpk`` as a function. With `path` its CSV is written.

    Arguments as in `lutra.kernel`. Raises `LutraError`. Method: docs/methods/svalues.md of the Lutra book.
    """
    medium = _medium(tissue, density_g_cm3, nuclide, histories, seed, threads)
    place = None if path is None else os.fspath(path)
    record, text, said = _lutra.point_kernel(medium, place, force, progress)
    told(said)
    return PointKernel(json.loads(record), text)
