"""Monte Carlo voxel dosimetry for radiopharmaceutical therapy.

``lutra.dose(ct, activity, labels, activity_unit="mbq_h")`` gives the absorbed dose of every voxel and region with its
uncertainty. Arrays are indexed (x, y, z) in the order of their affine, which goes from the voxel index to RAS mm; images of
SimpleITK and nibabel carry their geometry. The guide is the chapter Python of the Lutra book.
"""

from __future__ import annotations

import atexit as _atexit

import os as _os

from . import _lutra
from ._begin import cohort, demo, init, practice_patient, protocols
from ._dose import DoseResult, Dvh, Note, dose, forked as _forked, leaving as _leaving
from ._errors import (
    DamagedError,
    DeviceError,
    InvalidError,
    LutraError,
    LutraWarning,
    MismatchError,
    MissingError,
    OccupiedError,
    ProgramError,
    RunError,
    SyntaxFaultError,
    TooLargeError,
    UnknownError,
    UnreadableError,
    UnwritableError,
)
from ._images import Image, ImageLike
from ._kernel import KernelResult, PointKernel, kernel, point_kernel
from ._more import (
    AuditResult,
    CompareResult,
    CourseResult,
    Cycle,
    GammaResult,
    Histogram,
    TiaResult,
    audit,
    bench,
    compare,
    course,
    devices,
    dvh,
    gamma,
    inspect,
    parity,
    svalue,
    tia,
    validate,
)
from ._parts import merge, shard
from ._progress import Progress, tqdm_progress
from ._register import RegisterResult, register

__version__: str = _lutra.__version__

# the checkpoint of an interrupted run is written before the process ends; those of unsaved results go
_atexit.register(_lutra.wait_for_ended, 10.0)
_atexit.register(_leaving)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_forked)

__all__ = [
    "AuditResult",
    "CompareResult",
    "CourseResult",
    "Cycle",
    "DamagedError",
    "DeviceError",
    "DoseResult",
    "Dvh",
    "GammaResult",
    "Histogram",
    "Image",
    "ImageLike",
    "InvalidError",
    "KernelResult",
    "LutraError",
    "LutraWarning",
    "MismatchError",
    "MissingError",
    "Note",
    "OccupiedError",
    "PointKernel",
    "ProgramError",
    "Progress",
    "RegisterResult",
    "RunError",
    "SyntaxFaultError",
    "TiaResult",
    "TooLargeError",
    "UnknownError",
    "UnreadableError",
    "UnwritableError",
    "audit",
    "bench",
    "cohort",
    "compare",
    "course",
    "demo",
    "devices",
    "dose",
    "dvh",
    "gamma",
    "init",
    "inspect",
    "kernel",
    "merge",
    "parity",
    "point_kernel",
    "practice_patient",
    "protocols",
    "register",
    "shard",
    "svalue",
    "tia",
    "tqdm_progress",
    "validate",
    "__version__",
]
