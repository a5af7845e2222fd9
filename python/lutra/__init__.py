"""Monte Carlo voxel dosimetry for radiopharmaceutical therapy.

``lutra.dose(ct, activity, labels, activity_unit="mbq_h")`` gives the absorbed dose of every voxel and region with its
uncertainty. Arrays are indexed (x, y, z) in the order of their affine, which goes from the voxel index to RAS mm; images of
SimpleITK and nibabel carry their geometry. The guide is the chapter Python of the Lutra book.
"""

from __future__ import annotations

import atexit as _atexit

from . import _lutra
from ._dose import DoseResult, Dvh, Note, dose
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
from ._more import (
    AuditResult,
    CompareResult,
    CourseResult,
    Cycle,
    GammaResult,
    Histogram,
    KernelResult,
    TiaResult,
    audit,
    bench,
    compare,
    course,
    devices,
    dvh,
    gamma,
    inspect,
    kernel,
    parity,
    svalue,
    tia,
    validate,
)
from ._progress import Progress, tqdm_progress

__version__: str = _lutra.__version__

# the checkpoint of an interrupted run is written before the process ends
_atexit.register(_lutra.wait_for_ended, 10.0)

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
    "ProgramError",
    "Progress",
    "RunError",
    "SyntaxFaultError",
    "TiaResult",
    "TooLargeError",
    "UnknownError",
    "UnreadableError",
    "UnwritableError",
    "__version__",
    "audit",
    "bench",
    "compare",
    "course",
    "devices",
    "dose",
    "dvh",
    "gamma",
    "inspect",
    "kernel",
    "parity",
    "svalue",
    "tia",
    "tqdm_progress",
    "validate",
]
