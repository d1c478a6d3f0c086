"""The notebooks in ``examples/``: run without Jupyter, in one namespace, cell by cell.

    python -m tests.notebooks        write what the cells print into the notebooks

What a cell gives is what Jupyter shows: what it prints, and the value of its last line. Pictures
are not stored in the notebooks; the site draws them.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["EXAMPLES", "Cell", "run", "stored"]

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.ipynb"))


@dataclass(frozen=True)
class Cell:
    """A cell and what it gave.

    Attributes:
        kind: markdown or code.
        source: its text.
        printed: what it printed.
        value: the value of its last line; None where that is none, or a statement.
    """

    kind: str
    source: str
    printed: str = ""
    value: Any = field(default=None)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """As a notebook stores them."""
        found: list[dict[str, Any]] = []
        if self.printed:
            text = self.printed.splitlines(keepends=True)
            found.append({"name": "stdout", "output_type": "stream", "text": text})
        if self.value is not None and not hasattr(self.value, "savefig"):
            data = {"text/plain": repr(self.value).splitlines(keepends=True)}
            if hasattr(self.value, "_repr_html_"):
                data["text/html"] = self.value._repr_html_().splitlines(keepends=True)
            shown = {"data": data, "execution_count": None, "metadata": {}}
            found.append({"output_type": "execute_result", **shown})
        return found


def run(path: Path) -> Iterator[Cell]:
    """Run a notebook; each cell as it is done."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            yield Cell(cell["cell_type"], source)
            continue
        tree = ast.parse(source, f"{path.name}[{number}]")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        out, value = io.StringIO(), None
        with contextlib.redirect_stdout(out):
            exec(compile(tree, path.name, "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), path.name, "eval"), names)
        yield Cell("code", source, out.getvalue(), value)


def stored(path: Path) -> list[list[dict[str, Any]]]:
    """The outputs of the code cells, as the file has them."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


def main() -> None:
    """Write the outputs of every notebook anew."""
    for path in EXAMPLES:
        value = json.loads(path.read_text(encoding="utf-8"))
        for cell, done in zip(value["cells"], run(path), strict=True):
            if done.kind == "code":
                cell.update(outputs=done.outputs, execution_count=None)
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
