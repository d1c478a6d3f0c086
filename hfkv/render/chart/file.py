"""A figure as a file, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfkv.errors import InputError, SourceError
from hfkv.render.chart.style import settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save"]

_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all; the same figure gives the same bytes.

    Raises:
        InputError: the ending is not png, svg or pdf.
        SourceError: the file cannot be written.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"cannot write {path.name!r}", where="`output`", expected="a name in .png, .svg or .pdf"
        )
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": "hfkv"},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
    }
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".hfkv-", suffix=path.suffix)
        os.close(handle)
        try:
            with settings():
                figure.savefig(
                    temporary,
                    format=kind,
                    metadata=metadata[kind],
                    facecolor=figure.get_facecolor(),
                )
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SourceError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            hint="choose another with `output`",
        ) from None
