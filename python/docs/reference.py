"""Writes docs/python-api.md, the reference of the Python package, from its docstrings.

    python reference.py ../../docs/python-api.md           # writes it
    python reference.py ../../docs/python-api.md --check   # fails where it is stale
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import lutra
import lutra.dask
import lutra.pytheranostics
import lutra.ray

HEAD = """# Python, function by function

Made from the docstrings of the package by `python/docs/reference.py`; the guide is [Python](python.md). What refuses raises
`lutra.LutraError`; an image is `lutra.Image`, an image of SimpleITK or nibabel, or a path.
"""
GROUPS = {
    "Doses": ["dose", "demo", "DoseResult", "Dvh", "Note", "shard", "merge"],
    "Series and courses": ["tia", "TiaResult", "course", "Cycle", "CourseResult", "protocols", "cohort"],
    "Shortcuts and comparisons": [
        *("audit", "AuditResult", "compare", "CompareResult", "gamma", "GammaResult", "dvh", "Histogram"),
        *("kernel", "KernelResult", "point_kernel", "PointKernel", "svalue"),
    ],
    "Images": ["Image", "register", "RegisterResult", "inspect", "init", "practice_patient"],
    "This machine": ["devices", "validate", "parity", "bench", "tqdm_progress"],
    "Errors and warnings": [
        *("LutraError", "InvalidError", "MissingError", "UnknownError", "MismatchError", "UnreadableError"),
        *("UnwritableError", "SyntaxFaultError", "DamagedError", "TooLargeError", "OccupiedError", "DeviceError"),
        *("ProgramError", "RunError", "LutraWarning"),
    ],
}
MODULES = {"Clusters and other programs": [lutra.dask, lutra.ray, lutra.pytheranostics]}
#: Names that are types alone.
ALIASES = {"ImageLike", "Progress", "__version__"}


def plain(text: str) -> str:
    """reST as Markdown: literals, roles, chapters of the book."""
    text = re.sub(r":class:`(\w+)`", r"`\1`", text.replace("``", "`"))
    text = re.sub(r"docs/(methods/(\w+)\.md)", lambda found: f"[{found[2].replace('_', ' ')}]({found[1]})", text)
    return text.replace(" of the Lutra book", "")


def broken(text: str) -> str:
    """Paragraphs and items broken into lines."""
    out: list[str] = []
    code = False
    paragraph: list[str] = []

    def end() -> None:
        if paragraph:
            first = paragraph[0]
            lead = len(first) - len(first.lstrip())
            deeper = lead + (2 if first.lstrip().startswith("- ") else 0)
            words = " ".join(line.strip() for line in paragraph)
            out.extend(
                textwrap.wrap(
                    words, 120, initial_indent=" " * lead, subsequent_indent=" " * deeper, break_long_words=False,
                    break_on_hyphens=False,
                )
            )
            paragraph.clear()

    for line in text.splitlines():
        if line.startswith("```") or code or not line.strip() or line.startswith("#"):
            end()
            code = code != line.startswith("```")
            out.append(line)
            continue
        if line.lstrip().startswith("- "):
            end()
        paragraph.append(line)
    end()
    # one empty line is enough
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out))


def told(docstring: str) -> str:
    """A docstring of NumPy's form as Markdown."""
    out: list[str] = []
    lines = inspect.cleandoc(docstring).splitlines()
    listed = False
    n = 0
    while n < len(lines):
        line = lines[n]
        if n + 1 < len(lines) and lines[n + 1] and set(lines[n + 1]) == {"-"}:
            listed = True
            out += [f"**{line}**", ""]
            n += 2
            continue
        item = listed and line and not line.startswith(" ")
        if item and (n + 1 < len(lines) and lines[n + 1].startswith("    ") or " : " in line):
            body = []
            while n + 1 < len(lines) and lines[n + 1].startswith("    "):
                n += 1
                body.append(lines[n].strip())
            name, _, kind = line.partition(" : ")
            what = f" ({plain(kind)})" if kind else ""
            out.append(f"- `{name}`{what}: {plain(' '.join(body))}".rstrip(": "))
        else:
            if item and out and out[-1].startswith("- "):
                out.append("")
            out.append(plain(line))
        n += 1
    return "\n".join(out).strip()


def signature(name: str, made: Any) -> str:
    """How it is called, without its types: those stand in the text."""
    parts = []
    seen_star = False
    for parameter in inspect.signature(made).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not seen_star:
            parts.append("*")
            seen_star = True
        star = {parameter.VAR_KEYWORD: "**", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
        value = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        parts.append(f"{star}{parameter.name}{value}")
    text = f"{name}({', '.join(parts)})"
    if len(text) > 116:
        text = f"{name}(\n    " + ",\n    ".join(parts) + ",\n)"
    return f"```python\n{text}\n```"


def of_class(name: str, kind: type[Any]) -> list[str]:
    """A class: what it is, then its properties and methods."""
    out = [f"### `{name}`", ""]
    if issubclass(kind, BaseException):
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        return [*out, f"{told(kind.__doc__ or '')}\n\nA kind of {bases}.", ""]
    if name in {"Image", "Cycle"}:
        out += [signature(f"lutra.{name}", kind), ""]
    out += [told(kind.__doc__ or ""), ""]
    for member, value in vars(kind).items():
        if member.startswith("_") or not getattr(value, "__doc__", None):
            continue
        if isinstance(value, property):
            out.append(f"- `.{member}`: {' '.join(told(value.__doc__ or '').split())}")
        elif inspect.isfunction(value) or isinstance(value, classmethod):
            function = value.__func__ if isinstance(value, classmethod) else value
            parameters = [one for one in inspect.signature(function).parameters if one not in {"self", "cls"}]
            summary, _, rest = told(function.__doc__ or "").partition("**Parameters**")
            items, _, after = rest.strip().partition("\n\n")
            said = " ".join(f"{summary} {after}".split())
            out.append(f"- `.{member}({', '.join(parameters)})`: {said}")
            out += [f"  {item}" for item in items.splitlines()]
    return [*out, ""]


def entry(name: str, made: Any, module: str = "lutra") -> list[str]:
    """One name of the package."""
    if inspect.isclass(made):
        return of_class(name, made)
    return [f"### `{module}.{name}`", "", signature(f"{module}.{name}", made), "", told(made.__doc__ or ""), ""]


def of_module(module: ModuleType) -> list[str]:
    """A module of its own."""
    return [told(module.__doc__ or ""), "", *(line for name in module.__all__ for line in entry(name, getattr(module, name), module.__name__))]


def page() -> str:
    """The whole page. Fails where a public name is in no group or has no docstring."""
    grouped = {name for names in GROUPS.values() for name in names}
    left = set(lutra.__all__) - grouped - ALIASES
    unknown = grouped - set(lutra.__all__)
    bare = [name for name in grouped & set(lutra.__all__) if not getattr(lutra, name).__doc__]
    if left or unknown or bare:
        raise SystemExit(f"in no group: {sorted(left)}; not public: {sorted(unknown)}; without a docstring: {bare}")
    out = [HEAD]
    for group, names in GROUPS.items():
        out += [f"## {group}", ""]
        for name in names:
            out += entry(name, getattr(lutra, name))
    for group, modules in MODULES.items():
        out += [f"## {group}", ""]
        for module in modules:
            out += of_module(module)
    return broken("\n".join(out)).rstrip() + "\n"


def main(path: str, *options: str) -> int:
    """Writes the page, or checks it."""
    text, place = page(), Path(path)
    if "--check" in options:
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            print(f"{path} is stale: run python/docs/reference.py {path}", file=sys.stderr)
            return 1
        return 0
    place.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
