"""Matter and decays to absorbed dose."""

from __future__ import annotations

import html
import json
import os
import sys
import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from . import _lutra
from ._errors import InvalidError, LutraWarning, refused
from ._images import Image, ImageLike, image_or_path, images_or_paths
from ._progress import Progress

__all__ = ["Dvh", "DoseResult", "Note", "dose"]


@dataclass(frozen=True)
class Note:
    """One thing that was said of a request.

    Attributes
    ----------
    code : str
        What it is about, as in ``"decays-on-grid"``; the book lists the codes.
    severity : str
        ``"info"`` or ``"warning"``.
    place : str or None
        The file, region, cycle or object.
    text : str
        The sentence behind the place.
    """

    code: str
    severity: str
    place: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


def told(parts: Sequence[tuple[str, str, str | None, str]], depth: int = 3) -> list[Note]:
    """Notes of a result; its warnings are Python's too."""
    made = [Note(*part) for part in parts]
    for note in made:
        if note.severity == "warning":
            warnings.warn(LutraWarning(note.code, note.place, note.text), stacklevel=depth)
    return made


@dataclass(frozen=True, eq=False)
class Dvh:
    """A cumulative histogram by mass.

    Attributes
    ----------
    dose_gy : array
        Dose, Gy, ascending from 0.
    share : array
        Share of the mass that receives that dose or more, 0 to 1.
    low, high : array
        Edges of the 95 % band of the transport's statistics.
    """

    dose_gy: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def turned(canonical: npt.NDArray[Any], letters: str) -> npt.NDArray[Any]:
    """A view of an array in RAS order with its axes as these letters run."""
    world = [next(n for n, pair in enumerate(("RL", "AP", "SI")) if letter in pair) for letter in letters]
    flips = tuple(slice(None, None, -1) if letter in "LPI" else slice(None) for letter in letters)
    return canonical.transpose(world)[flips]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


_MAPS = ("dose_gy", "sigma_rel", "dose_electron_gy", "dose_photon_gy", "density_g_cm3", "decays", "labels")


class DoseResult:
    """An absorbed dose with its uncertainty and everything that tells how it came about.

    Maps are :class:`Image` in the axis order of the CT that was given (with ``grid="activity"`` of the activity): views of the
    result without a copy, read-only.
    """

    #: Results whose checkpoints wait for them to be saved, until they go or are saved.
    _unsaved: ClassVar[weakref.WeakSet[DoseResult]] = weakref.WeakSet()

    def __init__(self, handle: _lutra.Dose | None, kept: dict[str, Any] | None = None) -> None:
        self._handle = handle
        self._kept: dict[str, Any] = {} if kept is None else kept
        if handle is not None and handle.unsaved():
            self._unsaved.add(self)
            gone = weakref.finalize(self, _gone, handle, os.getpid())
            gone.atexit = False  # `_leaving` decides what becomes of those that are there at the end

    def _live(self) -> _lutra.Dose:
        if self._handle is None:
            next = "Save it in the process that computed it."
            raise refused(InvalidError, "result", None, "a pickled one, which holds maps and tables alone", "the run", next)
        return self._handle

    def _once(self, name: str) -> Any:
        if name not in self._kept:
            handle = self._live()
            if name in _MAPS:
                letters, rows = handle.geometry()
                self._kept[name] = Image(turned(handle.map(name), letters), rows)
            elif name == "regions":
                self._kept[name] = columns_of(json.loads(handle.regions_json()))
            elif name == "energy_balance":
                self._kept[name] = json.loads(handle.balance_json())
            elif name == "run":
                self._kept[name] = json.loads(handle.record_json())
            elif name == "tally_hash":
                self._kept[name] = handle.tally_hash
            elif name == "dvhs":
                names = self.regions.get("name", [])
                self._kept[name] = {region: Dvh(*handle.dvh(region)) for region in names}
            else:
                self._kept[name] = [Note(*part) for part in handle.notes()]
        return self._kept[name]

    @property
    def dose_gy(self) -> Image:
        """Absorbed dose to medium, Gy; 0 in air, where no dose is stated. float32."""
        image: Image = self._once("dose_gy")
        return image

    @property
    def sigma_rel(self) -> Image:
        """Relative standard error of `dose_gy` by the statistics of the transport alone; 0 where the dose is 0. float32."""
        image: Image = self._once("sigma_rel")
        return image

    @property
    def dose_electron_gy(self) -> Image:
        """Part of `dose_gy` that betas, conversion and Auger electrons bring, Gy. float32."""
        image: Image = self._once("dose_electron_gy")
        return image

    @property
    def dose_photon_gy(self) -> Image:
        """Part of `dose_gy` that gammas and X rays bring, Gy. float32."""
        image: Image = self._once("dose_photon_gy")
        return image

    @property
    def density_g_cm3(self) -> Image:
        """Mass density, g/cm3. float32."""
        image: Image = self._once("density_g_cm3")
        return image

    @property
    def decays(self) -> Image:
        """Decays of each voxel over all time. float64."""
        image: Image = self._once("decays")
        return image

    @property
    def labels(self) -> Image:
        """Regions, 0 for none. uint16."""
        image: Image = self._once("labels")
        return image

    @property
    def regions(self) -> dict[str, list[Any]]:
        """Regions by column, as in ``organs.csv``: ``pandas.DataFrame(r.regions)`` and ``polars.DataFrame(r.regions)`` take it.

        Units are the ends of the names. ``dose_se_gy`` is transport only: the standard error of its statistics.
        ``total_rel_sigma`` (k = 1), ``low95_gy`` and ``high95_gy`` are by everything known, None where that is the transport
        alone; ``not_assessed`` names the sources of which nothing is known.
        """
        columns: dict[str, list[Any]] = self._once("regions")
        return columns

    @property
    def budget(self) -> dict[str, dict[str, Any]]:
        """How sure each region's dose is, by its name, as ``run.json`` holds it: ``parts`` (source, size, kind, origin),
        ``rel_sigma`` (k = 1) and ``interval95_gy`` by all of them, ``transport_rel_sigma`` apart, ``not_assessed``, and what
        halving each source would leave (``improve``)."""
        budget: dict[str, dict[str, Any]] = self.run["budget"]
        return budget

    @property
    def tally_hash(self) -> str:
        """SHA-256 over the integer tallies: the same on every device and from every kind of image."""
        digest: str = self._once("tally_hash")
        return digest

    @property
    def energy_balance(self) -> list[dict[str, Any]]:
        """Where the energy of each pass went, in exact units: emitted = deposited + escaped + radiated."""
        balance: list[dict[str, Any]] = self._once("energy_balance")
        return balance

    @property
    def notes(self) -> list[Note]:
        """Everything that was said: what was done and by which choice, and the warnings."""
        notes: list[Note] = self._once("notes")
        return notes

    @property
    def run(self) -> dict[str, Any]:
        """The record of the run as ``run.json`` holds it: inputs with hashes, settings, data sets, device, scene, balances."""
        record: dict[str, Any] = self._once("run")
        return record

    def dvh(self, region: str | int) -> Dvh:
        """The histogram of a region by its name or label.

        Raises ``KeyError`` where there is no such region.
        """
        if self._handle is not None:
            return Dvh(*self._handle.dvh(str(region)))
        names: list[str] = self.regions.get("name", [])
        labels: list[int] = self.regions.get("label", [])
        known = {**dict(zip(map(str, labels), names)), **{name: name for name in names}}
        found: Dvh = self._once("dvhs")[known[str(region)]]
        return found

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        force: bool = False,
        dicom: bool = False,
        deidentify: bool = False,
        dicom_bits: int = 32,
        dicom_pictures: bool = False,
    ) -> str:
        """Writes what ``lutra dose`` writes: maps, tables, pictures, page, record. Returns the folder.

        Parameters
        ----------
        folder : path
            A new or empty folder.
        force : bool
            Replace what Lutra wrote there.
        dicom : bool
            RT Dose and SEG too, in the study of a DICOM CT.
        deidentify : bool
            Without any identification of the patient.
        dicom_bits : int
            Bits of a dose value in RT Dose, 16 or 32.
        dicom_pictures : bool
            The pictures as DICOM too.

        Raises `LutraError`; nothing half-written stays.
        """
        asked = as_dicom(deidentify, dicom_bits, dicom_pictures) if dicom else None
        return os.fspath(self._live().save(os.fspath(folder), force=force, dicom=asked))

    def report(self, path: str | os.PathLike[str], *, force: bool = False) -> str:
        """Writes the page ``report.html``. Raises `LutraError`."""
        return os.fspath(self._live().report(os.fspath(path), force=force))

    def save_rtdose(
        self,
        path: str | os.PathLike[str],
        *,
        reference: str | os.PathLike[str] | None = None,
        force: bool = False,
        deidentify: bool = False,
        dicom_bits: int = 32,
    ) -> list[Note]:
        """Writes the dose as RT Dose into the study of `reference`, the DICOM folder of the CT (default: the CT that was given,
        where it was DICOM). Returns what was said, as of negative doses that became 0.

        Raises `LutraError`.
        """
        place = None if reference is None else os.fspath(reference)
        asked = as_dicom(deidentify, dicom_bits, False)
        said = self._live().save_rtdose(os.fspath(path), reference=place, force=force, dicom=asked)
        return [Note(*part) for part in said]

    def __getstate__(self) -> dict[str, Any]:
        for name in (*_MAPS, "regions", "energy_balance", "run", "tally_hash", "notes", "dvhs"):
            self._once(name)
        return self._kept

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self._handle = None
        self._kept = kept

    def __repr__(self) -> str:
        count = len(self.regions.get("name", []))
        size = " x ".join(map(str, self.dose_gy.shape))
        return f"<lutra.DoseResult of {size} voxels, {count} regions, tally {self.tally_hash[:12]}>"

    def _repr_html_(self) -> str:
        columns = self.regions
        heads = ("Region", "Mass (g)", "Dose (Gy)", "± transport only (Gy)", "± in all, k = 1 (%)")
        head = "".join(f"<th>{name}</th>" for name in heads)
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{mass:.4g}</td><td>{gy:.4g}</td><td>{se:.2g}</td>"
            f"<td>{'not known' if total is None else f'{100.0 * total:.2g}'}</td></tr>"
            for name, mass, gy, se, total in zip(
                columns.get("name", []),
                columns.get("mass_g", []),
                columns.get("dose_gy", []),
                columns.get("dose_se_gy", []),
                columns.get("total_rel_sigma", []),
            )
        )
        said = "".join(f"<li>{html.escape(str(note))}</li>" for note in self.notes if note.severity == "warning")
        warned = f"<ul>{said}</ul>" if said else ""
        return (
            f"<table><caption>Mean absorbed dose; ± transport only: its statistics; in all: by everything known</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{warned}"
            f"<p>tally <code>{self.tally_hash[:16]}</code></p>"
        )


def warned(result: DoseResult) -> DoseResult:
    """The result, its warnings said as Python's, of the line that called the caller."""
    for note in result.notes:
        if note.severity == "warning":
            warnings.warn(LutraWarning(note.code, note.place, note.text), stacklevel=3)
    return result


def _gone(handle: _lutra.Dose, process: int) -> None:
    """A result that nobody holds any more will not be saved; a forked process holds copies of its parent's."""
    if os.getpid() == process:
        handle.give_up(True)


def leaving() -> None:
    """The end of the process: where an exception ended it, checkpoints of unsaved results stay to be resumed."""
    failed = getattr(sys, "last_value", None) is not None
    for result in list(DoseResult._unsaved):  # pyright: ignore[reportPrivateUsage]
        handle = result._handle  # pyright: ignore[reportPrivateUsage]
        if handle is not None:
            handle.give_up(not failed)


def forked() -> None:
    """A forked process owns none of its parent's checkpoints."""
    DoseResult._unsaved.clear()  # pyright: ignore[reportPrivateUsage]


def as_dicom(deidentify: bool, bits: int, pictures: bool) -> dict[str, Any]:
    return {"deidentify": deidentify, "bits": bits, "pictures": pictures}


def run_options(
    engine: str,
    histories: float | None,
    target_sigma: float | None,
    target_labels: Sequence[int] | None,
    seed: int,
    threads: int | None,
    batches: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every_s: float = 60.0,
    resume: bool = False,
    force: bool = False,
    shard: tuple[int, int] | None = None,
    budget: str = "sources",
    dvh_bands: str = "transport",
) -> dict[str, Any]:
    """Options of the transport as the binding takes them."""
    return {
        "budget": budget,
        "dvh_bands": dvh_bands,
        "engine": engine,
        "histories": None if histories is None else float(histories),
        "target_sigma": target_sigma,
        "target_labels": None if target_labels is None else [int(label) for label in target_labels],
        "seed": seed,
        "threads": threads,
        "batches": batches,
        "shard": shard,
        "checkpoint": None if checkpoint is None else os.fspath(checkpoint),
        "checkpoint_every_s": checkpoint_every_s,
        "resume": resume,
        "force": force,
    }


def stated_of_images(
    effective_half_life_h: float | Mapping[str, float] | None,
    decay_correction: str | None,
    half_life_h: float | None,
    injection_time: str | None,
    time_zone: str | None,
    assume_bq_ml: bool,
    fit: str | None = None,
) -> dict[str, Any]:
    half_lives = dict(effective_half_life_h) if isinstance(effective_half_life_h, Mapping) else effective_half_life_h
    return {
        "effective_half_life_h": half_lives,
        "fit": fit,
        "decay_correction": decay_correction,
        "half_life_h": half_life_h,
        "injection_time": injection_time,
        "time_zone": time_zone,
        "assume_bq_ml": assume_bq_ml,
    }


def names_of(names: Mapping[int, str] | str | os.PathLike[str] | None) -> dict[int, str] | str | None:
    if names is None:
        return None
    if isinstance(names, (str, os.PathLike)):
        return os.fspath(names)
    return {int(label): str(name) for label, name in names.items()}


def dose(
    ct: ImageLike | None,
    activity: ImageLike | Sequence[str | os.PathLike[str]],
    labels: ImageLike | None = None,
    *,
    activity_unit: str | None = None,
    target_sigma: float | None = 0.02,
    histories: float | None = None,
    target_labels: Sequence[int] | None = None,
    seed: int = 177,
    threads: int | None = None,
    engine: str = "cpu",
    batches: int | None = None,
    nuclide: str | None = None,
    label_names: Mapping[int, str] | str | os.PathLike[str] | None = None,
    administered_mbq: float | None = None,
    emissions: str = "all",
    grid: str | float | None = None,
    outline_sharing: str | None = None,
    patient_label: str | None = None,
    density: str | os.PathLike[str] | None = None,
    tissue: str | os.PathLike[str] | None = None,
    tissue_table: str | os.PathLike[str] | None = None,
    effective_half_life_h: float | Mapping[str, float] | None = None,
    fit: str | None = None,
    decay_correction: str | None = None,
    half_life_h: float | None = None,
    injection_time: str | None = None,
    time_zone: str | None = None,
    assume_bq_ml: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every_s: float = 60.0,
    resume: bool = False,
    force: bool = False,
    budget: str = "sources",
    dvh_bands: str = "transport",
    progress: Progress | None = None,
) -> DoseResult:
    """The absorbed dose of every voxel and region, by Monte Carlo transport; ``lutra dose`` as a function.

    Parameters
    ----------
    ct : image
        CT, HU: a SimpleITK or nibabel image, ``lutra.Image(array, affine)``, or a path (NIfTI, DICOM file or folder).
        ``None`` where `density`, `tissue` and `tissue_table` describe the matter.
    activity : image or paths
        Time-integrated activity (values of 0 or more, shape of its own grid), or the paths of DICOM images of one injection,
        which are integrated over time.
    labels : image, optional
        Whole numbers, 0 for none, on the grid of the CT or of the activity; RTSTRUCT and SEG by path. Without it there is
        one region of everything but air.
    activity_unit : str
        What a value of the map means: ``"bq_ml_h"`` (Bq h / mL), ``"mbq_h"`` (MBq h a voxel) or ``"decays"``. There is no
        default; DICOM images state their own.
    target_sigma : float or None
        The run ends when 95 % of the target voxels have this relative standard error (1e-6 to 0.5). The target are the
        voxels of `target_labels`, else those above 10 % of the highest dose. ``None``: 8 million histories.
    histories : float, optional
        Electron histories after which the run ends, in place of `target_sigma`.
    seed : int
        Seed of the random numbers, 0 to 2^64 - 1.
    threads : int, optional
        Threads of the CPU engine, 1 to 4096; default all cores.
    engine : str
        ``"cpu"``, ``"auto"``, ``"gpu"`` or ``"gpu:N"``; all give the same integers.
    nuclide : str
        A built-in name or a file; default ``"lu177"``.
    label_names : mapping or path, optional
        Names of the labels.
    administered_mbq : float, optional
        Administered activity, MBq: bounds the decays, and doses are stated per GBq too.
    emissions : str
        ``"all"``, ``"beta"``, ``"electrons"`` or ``"photons"``.
    outline_sharing : str, optional
        ``"on"`` (default): decays of a coarse activity image stay with the outlines that share a voxel; ``"off"``: they are
        laid down by volume alone.
    patient_label : str, optional
        Whom the result is about, for pages, pictures and records; one line.
    grid : str or float, optional
        Grid of the result: ``"ct"`` (default), ``"activity"``, or the edge of cubes, mm (0.1 to 50).
    effective_half_life_h, fit, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml
        What you state of DICOM images of activity (h, of all regions or a mapping by region; the curve of the other regions,
        as `model` of `lutra.tia`; ``"none"``, ``"start"``, ``"admin"``; h; as in
        ``"2026-03-02T10:00+01:00"``; as in ``"+01:00"``).
    checkpoint : path, optional
        Folder for checkpoints, one every `checkpoint_every_s` seconds and one at an interrupt. With ``resume=True`` the run
        goes on from it, to the same integers. They are removed when the result is saved, and when an unsaved result is
        dropped; they stay where an exception ends the process before.
    force : bool
        Start anew where an interrupted run left checkpoints.
    budget : str
        How far the uncertainty is followed: ``"sources"`` (each region's own, added up) or ``"full"`` (10 000 draws through the
        patient's own S matrix, with outlines moved by half a voxel: three more runs a region).
    dvh_bands : str
        What the bands of the histograms hold: ``"transport"`` (its statistics) or ``"total"`` (everything known of each region's
        dose).
    progress : callable, optional
        Called in this thread as ``progress(fraction_done, sigma_rel, what)``; an exception of it ends the run.
        `lutra.tqdm_progress` makes one.

    Returns
    -------
    DoseResult

    Raises
    ------
    LutraError
        Wrong or missing input: what, where, what is allowed, what to do.
    KeyboardInterrupt
        Within 0.2 s; a checkpoint is written where one was asked for.

    Warns
    -----
    LutraWarning
        What the reader of the result must not overlook.

    The interpreter is free for other threads meanwhile. Method and sources: docs/methods/transport.md and
    docs/methods/statistics.md of the Lutra book.
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
        patient_label,
        density,
        tissue,
        tissue_table,
        run_options(
            engine,
            histories,
            target_sigma,
            target_labels,
            seed,
            threads,
            batches,
            checkpoint,
            checkpoint_every_s,
            resume,
            force,
            budget=budget,
            dvh_bands=dvh_bands,
        ),
        stated_of_images(
            effective_half_life_h, decay_correction, half_life_h, injection_time, time_zone, assume_bq_ml, fit
        ),
    )
    return warned(DoseResult(_lutra.dose(asked, progress)))


def about(patient_label: str | None) -> str | None:
    """Whom a result is about: one line."""
    if patient_label is None:
        return None
    plain = patient_label.strip()
    if not plain or len(plain) > 100 or not plain.isprintable():
        allowed = "one line of text, at most 100 letters"
        raise refused(InvalidError, "patient_label", None, repr(patient_label), allowed, "Write a short label.")
    return plain


def request_of(
    ct: ImageLike | None,
    activity: ImageLike | Sequence[str | os.PathLike[str]] | None,
    labels: ImageLike | None,
    label_names: Mapping[int, str] | str | os.PathLike[str] | None,
    activity_unit: str | None,
    administered_mbq: float | None,
    nuclide: str | None,
    emissions: str,
    grid: str | float | None,
    outline_sharing: str | None,
    patient_label: str | None,
    density: str | os.PathLike[str] | None,
    tissue: str | os.PathLike[str] | None,
    tissue_table: str | os.PathLike[str] | None,
    run: dict[str, Any],
    images: dict[str, Any],
) -> dict[str, Any]:
    """A request for a dose as the binding takes it."""
    paths = {"density": density, "tissue": tissue, "tissue_table": tissue_table}
    return {
        "ct": image_or_path(ct, "ct"),
        "activity": images_or_paths(activity, "activity"),
        "labels": image_or_path(labels, "labels"),
        "label_names": names_of(label_names),
        "activity_unit": activity_unit,
        "administered_mbq": administered_mbq,
        "nuclide": nuclide,
        "emissions": emissions,
        "grid": grid,
        "outline_sharing": outline_sharing,
        "patient_label": about(patient_label),
        **{name: None if path is None else os.fspath(path) for name, path in paths.items()},
        "run": run,
        "images": images,
    }


