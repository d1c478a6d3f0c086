"""``config.json`` of one's own models: whether figures can be had of it, and its header agrees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hfkv.cache.recognition import recognize
from hfkv.check.document import Document, KeyPath
from hfkv.check.finding import Finding, said
from hfkv.errors import CrosscheckError, HeaderError, HfkvError, UnsupportedError
from hfkv.facts import read
from hfkv.model import Model
from hfkv.reading import printable
from hfkv.source.directory import read_directory
from hfkv.source.files import Files

__all__ = ["check_config"]


def check_config(document: Document) -> Iterator[Finding]:
    """The findings of a model's config, with the safetensors files beside it as a witness."""

    def at(code: str, message: str) -> Finding:
        return Finding(
            path=document.path,
            line=_line(document, message, ("model_type",) if code == "HFKV401" else ()),
            code=code,
            message=message,
        )

    folder = document.file.parent
    files = Files(
        model=document.path, source="directory", texts={"config.json": document.text.encode()}
    )
    try:
        if document.file.name == "config.json":
            files = replace(
                read_directory(folder, model=document.path, source="directory"),
                texts=files.texts,
            )
        facts = read(files)
        found = recognize(facts)
        if found.basis == "inferred":
            # A figure could be had, but a name that nobody knows is most often misspelt.
            name = printable(found.config.model_type)
            yield at("HFKV401", f"the model_type '{name}' is not known here, only its shapes")
        Model(facts).kv_cache(tokens=1, encoder_tokens=1 if found.plan.crosses else None)
    except UnsupportedError as error:
        yield at("HFKV401", said(error))
    except (CrosscheckError, HeaderError) as error:
        yield at("HFKV403", printable(str(error).removeprefix(f"{document.path}: "), 1000))
    except HfkvError as error:
        text = str(error).removeprefix(f"{document.path}: ").removeprefix("config.json: ")
        yield at("HFKV402", printable(text, 1000))


def _line(document: Document, message: str, otherwise: KeyPath) -> int:
    """The line of the key that a message begins with, or that of another key."""
    key = message.partition(":")[0].strip()
    for path in (tuple(key.split(".")), (key,), otherwise):
        line = document.line(path)
        if line > 1:
            return line
    return 1
