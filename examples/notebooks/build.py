"""Makes the notebooks from their sources and runs them.

    pip install 'lutra[images]' nbclient ipykernel
    python build.py FOLDER [NAME ...] [--keep]     # NAME.py here to FOLDER/NAME.ipynb, executed; --keep: and beside its source
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def notebook(source: str) -> nbformat.NotebookNode:
    """Cells between the marks ``# %%``; a cell of text is a comment."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for mark, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", source, re.DOTALL | re.MULTILINE):
        body = body.strip()
        if mark:
            text = "\n".join(line.removeprefix("# ").removeprefix("#") for line in body.splitlines())
            made.cells.append(nbformat.v4.new_markdown_cell(text))
        else:
            made.cells.append(nbformat.v4.new_code_cell(body))
    for number, cell in enumerate(made.cells):
        # the same file for the same source
        cell["id"] = f"cell-{number}"
    return made


def main(folder: str, *options: str) -> None:
    """Runs them, all or those named, each in a folder of its own."""
    names = [option for option in options if not option.startswith("--")]
    for source in sorted(HERE.glob("*.py")):
        if source.name == Path(__file__).name or names and source.stem not in names:
            continue
        made = notebook(source.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as place:
            NotebookClient(made, timeout=240, resources={"metadata": {"path": place}}).execute()
        for cell in made.cells:
            # times of the run would make every run another file
            cell.metadata.pop("execution", None)
        # the number of a process too
        text = re.sub(r"/tmp/ipykernel_\d+/\d+\.py", "notebook", nbformat.writes(made)).replace(place, ".")
        for target in (Path(folder), *([HERE] if "--keep" in options else [])):
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{source.stem}.ipynb").write_text(text, encoding="utf-8")
        print(source.stem)


if __name__ == "__main__":
    main(*sys.argv[1:])
