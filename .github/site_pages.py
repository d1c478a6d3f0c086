"""The pages of the site that stand elsewhere in the repository, and the notebooks as they run.

A hook of MkDocs. Links between files of the repository stay as GitHub has them: here each is turned
to the page that the file has on the site, or to the file on GitHub where it has none.
"""

from __future__ import annotations

import io
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.notebooks import EXAMPLES, run  # noqa: E402

_PAGES = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    **{path.name: f".github/{path.name}" for path in sorted((ROOT / ".github").glob("*.md"))},
    **{f"images/{path.name}": f".github/images/{path.name}"
       for path in sorted((ROOT / ".github" / "images").iterdir())},
}  # fmt: skip
_NOTEBOOKS = {f"examples/{path.stem}.md": f"examples/{path.name}" for path in EXAMPLES}
_LINK = re.compile(r"(\]\()([^)#\s]*)((?:#[^)\s]*)?\))")


def on_config(config: Any) -> Any:
    """A page under ``.github`` that the configuration puts nowhere belongs to the reference."""
    written = str(config["nav"])
    (reference,) = [part["Reference"] for part in config["nav"] if "Reference" in part]
    reference += [uri for uri in _PAGES if uri.endswith(".md") and f"'{uri}'" not in written]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and pictures that are not below ``docs``."""
    for uri, path in _PAGES.items():
        content = (ROOT / path).read_bytes()
        made: Any = content.decode("utf-8") if uri.endswith(".md") else content
        files.append(File.generated(config, uri, content=made))
    for uri, path in _NOTEBOOKS.items():
        text, pictures = _notebook(ROOT / path)
        files.append(File.generated(config, uri, content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"examples/{name}", content=picture))
    return files


def _notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown with what its cells give, and its pictures."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in run(path):
        if cell.kind == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            said = output.get("text") or output["data"]["text/plain"]
            parts.append(f"```text\n{''.join(said).rstrip()}\n```")
        if hasattr(cell.value, "savefig"):
            name = f"{path.stem}-{len(pictures)}.png"
            drawn = io.BytesIO()
            cell.value.savefig(drawn, format="png", dpi=150)
            pictures[name] = drawn.getvalue()
            parts.append(f"![What the cell above draws]({name})")
    return "\n\n".join(parts) + "\n", pictures


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links to files of the repository to where they are on the site."""
    uri = page.file.src_uri
    if uri in _NOTEBOOKS:
        return markdown
    at = _PAGES.get(uri, f".github/docs/{uri}")
    home = {path: there for there, path in {**_PAGES, **_NOTEBOOKS}.items()}

    def turned(found: re.Match[str]) -> str:
        target = found[2]
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        there = home.get(path, path.removeprefix(".github/docs/"))
        if path not in home and not path.startswith(".github/docs/"):
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            return f"{found[1]}{config['repo_url']}/{kind}/main/{path}{found[3]}"
        return f"{found[1]}{posixpath.relpath(there, posixpath.dirname(uri) or '.')}{found[3]}"

    return _LINK.sub(turned, _without_comments(markdown))


def _without_comments(markdown: str) -> str:
    # The markers by which the tests find commands and examples.
    return re.sub(r"^<!-- (?:command|example): .*? -->\n", "", markdown, flags=re.MULTILINE)
