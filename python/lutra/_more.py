"""The other questions: series and courses, audits, comparisons, kernels, S values, files, devices, checks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _lutra
from ._dose import Note, about, as_dicom, columns_of, names_of, request_of, run_options, stated_of_images, told, turned
from ._errors import InvalidError, MismatchError, MissingError, refused
from ._images import Image, ImageLike, image_or_path, native_image
from ._progress import Progress

__all__ = [
    "AuditResult",
    "CompareResult",
    "CourseResult",
    "Cycle",
    "GammaResult",
    "Histogram",
    "TiaResult",
    "audit",
    "bench",
    "compare",
    "course",
    "devices",
    "dvh",
    "gamma",
    "inspect",
    "parity",
    "svalue",
    "tia",
    "validate",
]

Path: TypeAlias = str | os.PathLike[str]
Columns: TypeAlias = dict[str, list[Any]]


def _path(path: Path | None) -> str | None:
    return None if path is None else os.fspath(path)


class TiaResult:
    """A series of activity images, integrated over time. Maps are views of the result without a copy, read-only."""

    def __init__(self, handle: _lutra.Decays) -> None:
        self._handle = handle
        self.notes: list[Note] = told(handle.notes(), 4)

    def _map(self, name: str) -> Image:
        letters, rows = self._handle.geometry()
        return Image(turned(self._handle.map(name), letters), rows)

    @property
    def decays(self) -> Image:
        """Decays of each voxel over all time, in the axis order of the images; ``activity_unit="decays"`` takes it. float64."""
        return self._map("decays")

    @property
    def rel_sigma(self) -> Image:
        """Relative standard uncertainty of each voxel's decays, of the curve alone; NaN where not assessable. float32."""
        return self._map("rel_sigma")

    @property
    def regions(self) -> Columns:
        """Regions by column, as in ``regions.csv``: time-integrated activity (MBq h), half-life (h), method, flags."""
        return columns_of(json.loads(self._handle.regions_json()))

    def save(self, folder: Path, *, force: bool = False) -> str:
        """Writes what ``lutra tia`` writes; the folder. Raises `LutraError`."""
        return os.fspath(self._handle.save(os.fspath(folder), force=force))


def tia(
    series: Path | Sequence[Path] | Sequence[tuple[float, ImageLike]],
    labels: ImageLike | None = None,
    *,
    label_names: Mapping[int, str] | Path | None = None,
    ct: Path | None = None,
    model: str = "mono",
    nuclide: str | None = None,
    administered_mbq: float | None = None,
    outline_sharing: str | None = None,
    effective_half_life_h: float | Mapping[str, float] | None = None,
    fit: str | None = None,
    decay_correction: str | None = None,
    half_life_h: float | None = None,
    injection_time: str | None = None,
    time_zone: str | None = None,
    assume_bq_ml: bool = False,
    progress: Progress | None = None,
) -> TiaResult:
    """Activity over time to decays by voxel; ``lutra tia`` as a function.

    Parameters
    ----------
    series : path, paths, or pairs
        A SERIES.toml; DICOM images of one injection; or pairs of mid-scan time (h after injection, ascending) and image
        (Bq/mL at that time, not corrected for decay; all on one grid).
    labels : image, optional
        Regions that are integrated by themselves.
    model : str
        The curve of a region of images in memory: ``"mono"``, ``"mono-physical"``, ``"uptake-clearance"``,
        ``"two-phase"``, ...; a SERIES.toml states its own.
    administered_mbq : float
        Administered activity, MBq; needed for images in memory, where no file states it.
    effective_half_life_h : float or mapping, optional
        For one image: the half-life of all regions, h, or of single ones by name.
    fit : str, optional
        The curve of the regions of DICOM images.
    outline_sharing : str, optional
        ``"on"``: image voxels that several outlines share are divided by what these hold; ``"off"``: by majority. Default:
        as a SERIES.toml states, else on.

    Further arguments as in `lutra.dose`. Raises `LutraError`. Method: docs/methods/time_integration.md of the Lutra book.
    """
    made: list[str] | list[tuple[float, Image]]
    if isinstance(series, (str, os.PathLike)):
        made = [os.fspath(series)]
    else:
        paths = [os.fspath(one) for one in series if isinstance(one, (str, os.PathLike))]
        pairs = [(float(one[0]), native_image(one[1], "series")) for one in series if isinstance(one, tuple)]
        if bool(paths) == bool(pairs):
            raise refused(
                InvalidError,
                "series",
                None,
                "neither paths nor pairs, or both",
                "a SERIES.toml, DICOM images, or pairs of time and image",
                "Give them as in [(24.0, image), (72.0, image)].",
            )
        made = paths or pairs
    asked = {
        "series": made,
        "labels": image_or_path(labels, "labels"),
        "label_names": names_of(label_names),
        "ct": _path(ct),
        "model": model,
        "nuclide": nuclide,
        "administered_mbq": administered_mbq,
        "outline_sharing": outline_sharing,
        "images": stated_of_images(
            effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
        ),
    }
    return TiaResult(_lutra.tia(asked, progress))


@dataclass(frozen=True)
class Cycle:
    """One cycle of a course in memory.

    Attributes
    ----------
    day : int
        Day of the injection, counted from any day common to the course.
    administered_mbq : float
        Administered activity, MBq.
    images : sequence of (float, image)
        Mid-scan time, h after injection, and activity then, Bq/mL, not corrected for decay, in the frame of the CT.
    """

    day: int
    administered_mbq: float
    images: Sequence[tuple[float, ImageLike]]


class CourseResult:
    """A treatment with its doses, their sum and the verdict of a protocol."""

    def __init__(self, handle: _lutra.Course) -> None:
        self._handle = handle
        self.notes: list[Note] = told(handle.notes(), 4)

    @property
    def verdict(self) -> dict[str, Any]:
        """The verdict as ``verdict.json`` holds it: state, window, structures, predictions, warnings."""
        found: dict[str, Any] = json.loads(self._handle.verdict_json())
        return found

    @property
    def words(self) -> str:
        """The verdict in words."""
        return self._handle.words()

    @property
    def totals(self) -> Columns:
        """Regions over the course by column: dose (Gy), BED (Gy), EQD2 (Gy), ... as in ``cumulative.csv``."""
        return columns_of(json.loads(self._handle.tables_json()[0]))

    @property
    def cycles(self) -> Columns:
        """Regions of each cycle by column, as in ``cycles.csv``."""
        return columns_of(json.loads(self._handle.tables_json()[1]))

    def map(self, name: str) -> Image | None:
        """``"dose_sum_gy"``, ``"bed_gy"`` or ``"eqd2_gy"`` (Gy), or ``"labels"``, with axes towards right, front, head, without a
        copy;
        ``None`` where the cycles do not lie in one frame.

        Raises ``KeyError`` for another name.
        """
        found = self._handle.map(name)
        return None if found is None else Image(*found)

    def save(
        self,
        folder: Path,
        *,
        force: bool = False,
        dicom: bool = False,
        deidentify: bool = False,
        dicom_bits: int = 32,
        dicom_pictures: bool = False,
    ) -> str:
        """Writes what ``lutra course`` writes; the folder. Arguments as in `DoseResult.save`. Raises `LutraError`."""
        asked = as_dicom(deidentify, dicom_bits, dicom_pictures) if dicom else None
        return os.fspath(self._handle.save(os.fspath(folder), force=force, dicom=asked))


def course(
    path: Path | None = None,
    *,
    ct: ImageLike | None = None,
    labels: ImageLike | None = None,
    label_names: Mapping[int, str] | Path | None = None,
    cycles: Sequence[Cycle] | None = None,
    protocol: str | None = None,
    model: str = "mono",
    activity: Sequence[Path] = (),
    facts: Mapping[str, float | bool] | None = None,
    outline_sharing: str | None = None,
    patient_label: str | None = None,
    nuclide: str | None = None,
    administered_mbq: float | None = None,
    effective_half_life_h: float | Mapping[str, float] | None = None,
    fit: str | None = None,
    decay_correction: str | None = None,
    half_life_h: float | None = None,
    injection_time: str | None = None,
    time_zone: str | None = None,
    assume_bq_ml: bool = False,
    target_sigma: float | None = None,
    histories: float | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    cache: Path | None = None,
    progress: Progress | None = None,
) -> CourseResult:
    """The cycles of a treatment to a verdict; ``lutra course`` as a function.

    Parameters
    ----------
    path : path, optional
        A COURSE.toml, which states everything itself; or the DICOM folder of a study, with `protocol`, `facts`, and, where
        it holds several, the paths of the `ct`, `activity` and `labels` that are meant. Else `ct` (HU), `labels` with
        `label_names`, and `cycles` in memory.
    protocol : str
        A built-in protocol, as in ``"iluminet"``; a COURSE.toml names its own.
    facts : mapping, optional
        What the protocol's rules ask of the patient, as in ``{"gfr_ml_min": 70, "diabetes": False}``.
    outline_sharing : str, optional
        As in `lutra.dose`; default as the course states, else on.
    cache : path, optional
        Folder that keeps the doses of finished cycles.
    target_sigma, histories
        As in `lutra.dose`; without both 8 million histories a cycle.

    Further arguments as in `lutra.dose` and `lutra.tia`. Raises `LutraError`. Method: docs/methods/course.md of the Lutra book.
    """
    asked: dict[str, Any]
    if path is not None:
        chosen: dict[str, str | None] = {}
        for role, one in (("ct", ct), ("labels", labels), ("label_names", label_names)):
            if one is not None and not isinstance(one, (str, os.PathLike)) or cycles is not None:
                found = "a path beside images in memory"
                raise refused(MismatchError, "course", None, found, "one of them", "Give the file or the images.")
            chosen[role] = None if one is None else os.fspath(one)
        asked = {
            "path": os.fspath(path),
            "protocol": protocol,
            **chosen,
            "activity": [os.fspath(one) for one in activity],
            "facts": {} if facts is None else dict(facts),
            "outline_sharing": outline_sharing,
            "nuclide": nuclide,
            "administered_mbq": administered_mbq,
            "images": stated_of_images(
                effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
            ),
        }
    else:
        if ct is None or labels is None or cycles is None or protocol is None:
            raise refused(
                MissingError,
                "course",
                None,
                "no path and not all of ct, labels, cycles and protocol",
                "one or the other",
                "Give a COURSE.toml, or ct, labels, cycles and protocol.",
            )
        asked = {
            "ct": native_image(ct, "ct"),
            "labels": native_image(labels, "labels"),
            "label_names": {} if label_names is None else names_of(label_names),
            "protocol": protocol,
            "model": model,
            "nuclide": nuclide or "lu177",
            "facts": {} if facts is None else dict(facts),
            "outline_sharing": outline_sharing,
            "cycles": [
                (
                    int(cycle.day),
                    float(cycle.administered_mbq),
                    [(float(time_h), native_image(image, "cycles")) for time_h, image in cycle.images],
                )
                for cycle in cycles
            ],
        }
    run = run_options(engine, histories, target_sigma, None, seed, threads)
    label = about(patient_label)
    return CourseResult(_lutra.course(asked, run, _path(cache), str(_lutra.__file__), label, progress))


@dataclass(frozen=True)
class AuditResult:
    """Transport and every shortcut beside it, as written.

    Attributes
    ----------
    folder : str
        Where everything lies, ``report.html`` included.
    rows : dict of columns
        Regions and methods, as in ``audit.csv``.
    record : dict
        ``audit.json``.
    run : dict
        ``run.json`` of the transport.
    notes : list of Note
        What was said.
    """

    folder: str
    rows: Columns
    record: dict[str, Any]
    run: dict[str, Any]
    notes: list[Note]


def _load(folder: str, name: str) -> dict[str, Any]:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        made: dict[str, Any] = json.load(file)
    return made


def audit(
    ct: ImageLike | None,
    activity: ImageLike,
    labels: ImageLike,
    *,
    folder: Path,
    force: bool = False,
    activity_unit: str | None = None,
    label_names: Mapping[int, str] | Path | None = None,
    administered_mbq: float | None = None,
    nuclide: str | None = None,
    grid: str | float | None = None,
    outline_sharing: str | None = None,
    patient_label: str | None = None,
    emissions: str = "all",
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
    target_sigma: float | None = None,
    histories: float | None = None,
    target_labels: Sequence[int] | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    batches: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_every_s: float = 60.0,
    resume: bool = False,
    dicom: bool = False,
    deidentify: bool = False,
    dicom_bits: int = 32,
    dicom_pictures: bool = False,
    tolerance_rel: float = 0.05,
    kernels: Sequence[Path] = (),
    kernel_nuclide: str | None = None,
    kernel_voxel_mm: tuple[float, float, float] | None = None,
    kernel_unit: str | None = None,
    kernel_density_g_cm3: float | None = None,
    force_kernel: bool = False,
    s_tables: Sequence[Path] = (),
    phantom: str = "AM",
    progress: Progress | None = None,
) -> AuditResult:
    """The transport once, and every shortcut held against it; ``lutra audit`` as a function.

    Images, unit and run as in `lutra.dose`, DICOM as in `DoseResult.save`; `folder` takes everything that is written. `kernels` are voxel kernel files with what
    you state about them, `s_tables` tables of organ S values, `phantom` is ``"AM"`` or ``"AF"``, `tolerance_rel` the largest
    deviation that passes (0.05 for 5 %). Raises `LutraError`. Method: docs/methods/svalues.md of the Lutra book.
    """
    run = run_options(
        engine, histories, target_sigma, target_labels, seed, threads, batches, checkpoint, checkpoint_every_s, resume, force
    )
    images = stated_of_images(
        effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
    )
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
        patient_label,
        density,
        tissue,
        tissue_table,
        run,
        images,
    )
    more = {
        "folder": os.fspath(folder),
        "force": force,
        "tolerance_rel": tolerance_rel,
        "kernels": [os.fspath(kernel) for kernel in kernels],
        "kernel_nuclide": kernel_nuclide,
        "kernel_voxel_mm": kernel_voxel_mm,
        "kernel_unit": kernel_unit,
        "kernel_density_g_cm3": kernel_density_g_cm3,
        "force_kernel": force_kernel,
        "s_tables": [os.fspath(table) for table in s_tables],
        "phantom": phantom,
        "dicom": as_dicom(deidentify, dicom_bits, dicom_pictures) if dicom else None,
    }
    place, said = _lutra.audit(asked, more, progress)
    record = _load(os.fspath(place), "audit.json")
    return AuditResult(
        os.fspath(place), columns_of([row["row"] for row in record["rows"]]), record, _load(os.fspath(place), "run.json"), told(said)
    )


@dataclass(frozen=True, eq=False)
class CompareResult:
    """Two dose maps held against each other.

    Attributes
    ----------
    record : dict
        ``compare.json``: grids, relation, findings, gamma pass rates (shares), regions.
    regions : dict of columns
        Regions, as in ``compare.csv``.
    words : str
        The findings in words.
    gamma : Image
        Gamma (3 mm, 3 %) of A's voxels, at most 2; 0 where it was not searched.
    folder : str or None
        Where it was written.
    """

    record: dict[str, Any]
    regions: Columns
    words: str
    gamma: Image
    folder: str | None


def compare(
    a: ImageLike,
    b: ImageLike,
    labels: ImageLike | None = None,
    *,
    label_names: Mapping[int, str] | Path | None = None,
    tolerance_rel: float = 0.005,
    folder: Path | None = None,
    force: bool = False,
    patient_label: str | None = None,
) -> CompareResult:
    """Two dose maps (Gy): shifts, flips, swapped axes and scales named, then regions, histograms, gamma; ``lutra compare``.

    `a` is the reference. A common factor within `tolerance_rel` of 1 is not named. With `folder` everything is written, page
    included. Raises `LutraError`.
    """
    record, words, values, affine, place = _lutra.compare(
        image_or_path(a, "a"),
        image_or_path(b, "b"),
        image_or_path(labels, "labels"),
        names_of(label_names),
        tolerance_rel,
        _path(folder),
        force,
        about(patient_label),
    )
    found: dict[str, Any] = json.loads(record)
    written = None if place is None else os.fspath(place)
    return CompareResult(found, columns_of(found["regions"]), words, Image(values, affine), written)


@dataclass(frozen=True, eq=False)
class GammaResult:
    """Gamma index of a dose map.

    Attributes
    ----------
    gamma : Image
        Gamma of the reference's voxels, at most 2; 0 below a tenth of its hot end. float32.
    pass_rate : float or None
        Share of those voxels that pass, 0 to 1; ``None`` if no voxel takes part.
    """

    gamma: Image
    pass_rate: float | None


def gamma(
    reference: ImageLike, evaluated: ImageLike, *, distance_mm: float = 3.0, dose_rel: float = 0.03
) -> GammaResult:
    """The gamma index (Low et al. 1998, Ju et al. 2008) of two dose maps in memory, Gy, each on its own grid.

    `dose_rel` is a share of the hot end of the reference: the dose that 2 % of the voxels above a tenth of its highest exceed.
    Voxels below a tenth of the hot end take no part. Raises `LutraError`.
    """
    one = native_image(reference, "reference")
    values, rate = _lutra.gamma(one, native_image(evaluated, "evaluated"), distance_mm, dose_rel)
    return GammaResult(Image(values, one.affine), rate)


@dataclass(frozen=True, eq=False)
class Histogram:
    """A cumulative dose-volume histogram.

    Attributes
    ----------
    dose_gy, share : array
        Dose, Gy, and the share of the mass (of the volume where no density was given) that receives it or more.
    quantile_gy : array, shape (1001,)
        The dose that 0, 0.1, ... 100 % receive, Gy.
    mean_gy, d98_gy, d50_gy, d2_gy : float
        Mean, and the doses that 98, 50 and 2 % receive, Gy.
    """

    dose_gy: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]
    quantile_gy: npt.NDArray[np.float64]
    mean_gy: float
    d98_gy: float
    d50_gy: float
    d2_gy: float

    def dose_at(self, percent: float) -> float:
        """The dose that `percent` (0 to 100) of the mass or volume receives, Gy: ``dose_at(2)`` is D2."""
        if not 0.0 <= percent <= 100.0:
            raise refused(InvalidError, "percent", None, str(percent), "from 0 to 100", "D2 is dose_at(2).")
        return float(np.interp(percent, np.linspace(0.0, 100.0, self.quantile_gy.size), self.quantile_gy))

    def share_at(self, dose_gy: float) -> float:
        """The share of the mass or volume that receives `dose_gy` (Gy) or more, 0 to 1: ``share_at(20)`` is V20."""
        return float(np.interp(dose_gy, self.dose_gy, self.share, left=1.0, right=0.0))


def dvh(
    dose_gy: ImageLike,
    labels: ImageLike | None = None,
    label: int = 1,
    *,
    share: ImageLike | None = None,
    density_g_cm3: ImageLike | None = None,
    within_voxels: bool = True,
) -> Histogram:
    """The histogram of a label's voxels, or of a structure that covers voxels in part.

    All maps lie on the grid of the dose. Labels or shares may also lie on a finer grid of their own, with voxel edges of at most
    half of the dose's: its voxels are then cut, and each part has the dose at its place. A structure with edges and tips needs
    that: of what is smaller than a voxel its covered shares say too little.

    Parameters
    ----------
    dose_gy : image
        Dose, Gy.
    labels : image
        Whole numbers, of which `label` is the region.
    share : image
        In place of `labels`: how much of each voxel the structure covers, 0 to 1. Of a voxel that is covered in part only the
        part on the structure's side counts.
    density_g_cm3 : image, optional
        Density, g/cm3: the histogram is by mass, without it by volume.
    within_voxels : bool
        Whether the dose follows its neighbours within a voxel (monotonised central slopes), which makes a smooth curve of a
        few voxels. ``False``: the dose of a voxel is level, as in most programs.

    For the histograms that a dose comes with, which carry the band of the statistics, ask `DoseResult.dvh`. Raises
    `LutraError`.
    """
    if (labels is None) == (share is None):
        found = "none" if labels is None else "both"
        raise refused(MismatchError, "labels and share", None, found, "one of them", "Say what the region is.")
    dose = native_image(dose_gy, "dose_gy")
    density = None if density_g_cm3 is None else native_image(density_g_cm3, "density_g_cm3")
    region = native_image(share if labels is None else labels, "share" if labels is None else "labels")
    asked = {
        "dose_gy": dose,
        "labels": None if labels is None else region,
        "share": region if labels is None else None,
        "density_g_cm3": density,
        "label": label,
        "within_voxels": within_voxels,
    }
    return Histogram(**_lutra.dvh(asked))


def svalue(
    ct: ImageLike | None,
    labels: ImageLike,
    source_labels: Sequence[int],
    *,
    label_names: Mapping[int, str] | Path | None = None,
    nuclide: str | None = None,
    density: Path | None = None,
    tissue: Path | None = None,
    tissue_table: Path | None = None,
    target_sigma: float | None = None,
    histories: float | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    progress: Progress | None = None,
) -> Columns:
    """S values from source regions, their decays spread evenly, to every region; ``lutra svalue`` as a function.

    Returns columns: source, target, ``s_mgy_per_mbq_s`` (mGy per MBq s) with ``sigma_rel``, parts, mass (g). Raises `LutraError`.
    """
    run = run_options(engine, histories, target_sigma, None, seed, threads)
    images = stated_of_images(None, None, None, None, None, False)
    asked = request_of(
        ct, None, labels, label_names, None, None, nuclide, "all", None, None, None, density, tissue, tissue_table, run, images
    )
    rows, said = _lutra.svalue(asked, [int(label) for label in source_labels], progress)
    told(said)
    return columns_of(json.loads(rows))


def inspect(
    path: Path,
    *,
    decay_correction: str | None = None,
    half_life_h: float | None = None,
    injection_time: str | None = None,
    time_zone: str | None = None,
    assume_bq_ml: bool = False,
) -> dict[str, Any]:
    """What is in a file or folder, what Lutra would use of it, and every doubt; ``lutra inspect``. Raises `LutraError`."""
    images = stated_of_images(None, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml)
    found: dict[str, Any] = json.loads(_lutra.inspect(os.fspath(path), images))
    return found


def devices() -> list[dict[str, Any]]:
    """What the transport can run on; ``engine`` is the word for `lutra.dose`."""
    found: list[dict[str, Any]] = json.loads(_lutra.devices())["devices"]
    return found


def validate(
    folder: Path,
    *,
    quick: bool = False,
    force: bool = False,
    engine: str = "cpu",
    seed: int = 177,
    threads: int | None = None,
    patient: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs the reference problems and writes their table and plots into `folder`; ``validation.json``.

    ``quick``: the problems that tell most. The record's ``passes`` says whether every row is within its limit. Raises
    `LutraError`.
    """
    place, _, _ = _lutra.validate(
        os.fspath(folder),
        quick=quick,
        force=force,
        engine_name=engine,
        seed=seed,
        threads=threads,
        patient=_path(patient),
        progress=progress,
    )
    return _load(os.fspath(place), "validation.json")


def parity(
    path: Path,
    *,
    ct: Path | None = None,
    decays: Path | None = None,
    histories: float = 200_000,
    devices: Sequence[str] | None = None,
    seed: int = 177,
    trace: tuple[str, int, int] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Devices on the same histories, bit by bit; the record, which is written to `path`.

    Parameters
    ----------
    ct, decays : path, optional
        A CT and a map of decays (NIfTI); without them the demo's abdomen.
    histories : float
        Electron histories, and as many photon histories.
    devices : sequence of str, optional
        Devices to compare with the scalar CPU engine: ``"cpu"``, ``"cpu:scalar"``, ``"gpu:0"``; default all.
    trace : (str, int, int), optional
        Follow one history step by step on every device instead: its pass (``"electron"`` or ``"photon"``), batch, number.
        Nothing is written then.

    ``fault`` is ``None`` where all devices agree. Raises `LutraError`.
    """
    if (ct is None) != (decays is None):
        raise refused(MismatchError, "ct and decays", None, "one", "both or none", "Give both.")
    asked = {
        "scene": None if ct is None or decays is None else (os.fspath(ct), os.fspath(decays)),
        "histories": float(histories),
        "devices": None if devices is None else list(devices),
        "seed": seed,
        "trace": trace,
        "path": os.fspath(path),
        "force": force,
    }
    record, fault = _lutra.parity(asked, progress)
    return {**json.loads(record), "fault": fault}


def bench(
    folder: Path,
    *,
    ct: Path | None = None,
    activity: Path | Sequence[Path] | None = None,
    labels: Path | None = None,
    activity_unit: str | None = None,
    label_names: Mapping[int, str] | Path | None = None,
    nuclide: str | None = None,
    emissions: str = "all",
    grid: str | float | None = None,
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
    target_sigma: float | None = None,
    target_labels: Sequence[int] | None = None,
    judge_labels: Sequence[int] | None = None,
    judge_above: float | None = None,
    histories: float | None = None,
    repeat: int = 3,
    warm_up: float = 200_000,
    batches: int | None = None,
    grids: Sequence[tuple[int, int, int]] = (),
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What a run costs and what accuracy its time buys; ``bench.json``, which is written into `folder`.

    Parameters
    ----------
    ct, activity, labels, ...
        Files, as of `lutra.dose`; without them the demo's abdomen.
    judge_labels, judge_above
        Labels whose voxels are evaluated, and the share of the highest dose (0 to 0.99) above which they are; default by
        the case.
    repeat : int
        Measured runs, 1 to 100.
    warm_up : float
        Electron histories of the run before them, which is not counted.
    grids : sequence of (int, int, int)
        In place of files: a phantom of soft tissue with one source on grids of so many voxels (24 to 1024 an axis), then with
        growing numbers of histories.

    Raises `LutraError`.
    """
    asked = None
    if ct is not None or density is not None or activity is not None:
        if grids:
            raise refused(MismatchError, "grids", None, "beside a case", "one of them", "Measure phantoms or a case.")
        images = stated_of_images(
            effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
        )
        run = run_options(engine, histories, target_sigma, target_labels, seed, threads, batches)
        asked = request_of(
            ct, activity, labels, label_names, activity_unit, None, nuclide, emissions, grid, None, None, density, tissue,
            tissue_table, run, images,
        )  # fmt: skip
    measured = {
        "run": run_options(engine, histories, target_sigma, target_labels, seed, threads, batches),
        "repeat": repeat,
        "warm_up": float(warm_up),
        "judge_labels": None if judge_labels is None else [int(label) for label in judge_labels],
        "judge_above": judge_above,
        "grids": [tuple(dims) for dims in grids],
        "folder": os.fspath(folder),
        "force": force,
    }
    record, _ = _lutra.bench(asked, measured, progress)
    found: dict[str, Any] = json.loads(record)
    return found
