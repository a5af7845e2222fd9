"""The command line: ``python -m lutra ARGS`` is ``lutra ARGS``."""

from __future__ import annotations

import signal
import sys

from . import _lutra


def main() -> int:
    """Runs the command line on ``sys.argv``; its exit code."""
    # the program ends at once, as the one without Python does: what it writes appears whole or not at all
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _lutra.main(["lutra", *sys.argv[1:]], str(_lutra.__file__))


if __name__ == "__main__":
    sys.exit(main())
