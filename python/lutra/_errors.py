"""Errors and warnings: what is wrong part by part, as the library says it."""

from __future__ import annotations

from typing import Any

__all__ = [
    "DamagedError",
    "DeviceError",
    "InvalidError",
    "LutraError",
    "LutraWarning",
    "MismatchError",
    "MissingError",
    "OccupiedError",
    "ProgramError",
    "RunError",
    "SyntaxFaultError",
    "TooLargeError",
    "UnknownError",
    "UnreadableError",
    "UnwritableError",
]


class LutraError(Exception):
    """Something that Lutra refuses or cannot do. ``str()`` is the whole sentence with its next step.

    Attributes
    ----------
    kind : str
        What kind of fault it is, as in ``"mismatch"``; each has a subclass.
    file, place, field : str or None
        Where: the file or folder, the argument or object, the field or quantity.
    found, allowed : str or None
        The value found and the values allowed.
    next : str or None
        What to do next.
    """

    kind = "invalid"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        place: str | None = None,
        field: str | None = None,
        found: str | None = None,
        allowed: str | None = None,
        next: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.place = place
        self.field = field
        self.found = found
        self.allowed = allowed
        self.next = next

    def __reduce__(self) -> tuple[Any, ...]:
        parts = {name: getattr(self, name) for name in ("file", "place", "field", "found", "allowed", "next")}
        return _again, (type(self), str(self), parts)


def _again(kind: type[LutraError], message: str, parts: dict[str, str | None]) -> LutraError:
    return kind(message, **parts)


class InvalidError(LutraError, ValueError):
    """A value that cannot be used."""

    kind = "invalid"


class MissingError(LutraError, ValueError):
    """Something that is needed and not there."""

    kind = "missing"


class UnknownError(LutraError, ValueError):
    """A name that means nothing here."""

    kind = "unknown"


class MismatchError(LutraError, ValueError):
    """Parts that do not belong together: other grids, other patients, two statements that exclude each other."""

    kind = "mismatch"


class UnreadableError(LutraError, OSError):
    """A file or folder that cannot be read."""

    kind = "unreadable"


class UnwritableError(LutraError, OSError):
    """A file or folder that cannot be written."""

    kind = "unwritable"


class SyntaxFaultError(LutraError, ValueError):
    """A text that is not in the form that it should have."""

    kind = "syntax"


class DamagedError(LutraError, ValueError):
    """A file that is cut short or spoilt."""

    kind = "damaged"


class TooLargeError(LutraError, MemoryError):
    """More than this machine, this device or this program can take."""

    kind = "too_large"


class OccupiedError(LutraError, FileExistsError):
    """A place for output that is taken."""

    kind = "occupied"


class DeviceError(LutraError, RuntimeError):
    """A device that is not there or failed."""

    kind = "device"


class ProgramError(LutraError, RuntimeError):
    """What no input can be blamed for: please report it."""

    kind = "program"


class RunError(LutraError, RuntimeError):
    """A run that failed: a device lost, an energy balance that does not close, a full disk."""

    kind = "run"


class LutraWarning(UserWarning):
    """What the reader of a result must not overlook.

    Attributes
    ----------
    code : str
        What it is about, as in ``"decays-in-air"``; it stays when the sentence changes (the book lists the codes).
    place : str or None
        The file, region, cycle or object.
    text : str
        The sentence behind the place.
    """

    def __init__(self, code: str, place: str | None, text: str) -> None:
        super().__init__(f"{place}: {text}" if place else text)
        self.code = code
        self.place = place
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return LutraWarning, (self.code, self.place, self.text)


_KINDS: dict[str, type[LutraError]] = {
    kind.kind: kind
    for kind in (
        InvalidError,
        MissingError,
        UnknownError,
        MismatchError,
        UnreadableError,
        UnwritableError,
        SyntaxFaultError,
        DamagedError,
        TooLargeError,
        OccupiedError,
        DeviceError,
        ProgramError,
        RunError,
    )
}


def refused(kind: type[LutraError], place: str, field: str | None, found: str, allowed: str, next: str) -> LutraError:
    """The refusal of a value, in the library's form."""
    at = place if field is None else f"{place}: {field}"
    text = f"{at}: found {found}; allowed: {allowed}. {next}"
    return kind(text, place=place, field=field, found=found, allowed=allowed, next=next)


def fault(kind: str, message: str, **parts: str | None) -> LutraError:
    """The exception of a kind of fault."""
    return _KINDS.get(kind, ProgramError)(message, **parts)
