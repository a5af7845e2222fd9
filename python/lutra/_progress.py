"""Progress of a run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Progress", "tqdm_progress"]

#: Called with the fraction done (0 to 1), the relative standard error reached or ``None``, and what is being done.
Progress: TypeAlias = Callable[[float, "float | None", str], object]


def tqdm_progress(**options: Any) -> Progress:
    """A progress bar of tqdm: ``lutra.dose(..., progress=lutra.tqdm_progress())``. `options` are those of ``tqdm.auto.tqdm``.

    Raises ``ImportError`` without tqdm.
    """
    bar: Any = importlib.import_module("tqdm.auto").tqdm(total=100.0, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}", **options)

    def tell(fraction_done: float, sigma_rel: float | None, what: str) -> None:
        bar.update(100.0 * fraction_done - bar.n)
        bar.set_postfix_str(what if sigma_rel is None else f"{what}, sigma {100.0 * sigma_rel:.2f} %")
        if fraction_done >= 1.0:
            bar.close()

    return tell
