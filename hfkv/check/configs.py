"""``config.json`` of one's own models: whether figures can be had of it, and its header agrees."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hfkv.cache.recognition import recognize
from hfkv.check.document import Document
from hfkv.check.finding import At, Finding, said
from hfkv.check.models import read_folder
from hfkv.check.text.places import KeyPath
from hfkv.errors import HeaderError, HfkvError, UnsupportedError
from hfkv.facts import Facts, read
from hfkv.model import Model
from hfkv.reading import printable
from hfkv.source.files import Files

__all__ = ["check_config"]


def check_config(document: Document) -> Iterator[Finding]:
    """The findings of a model's config, with the safetensors files beside it as a witness."""
    make = At(document)

    def at(code: str, message: str, *, note: bool = False) -> Finding:
        return make(_path(document, message, code), code, message, note=note)

    folder = document.file.parent
    files = Files(
        model=document.path, source="directory", texts={"config.json": document.text.encode()}
    )
    try:
        if document.file.name == "config.json":
            files = replace(read_folder(folder, model=document.path), texts=files.texts)
        facts = read(files)
        own = _unknown_type(facts.config or {})
        if own is not None:
            near, coded = own
            name = printable(str((facts.config or {}).get("model_type")), 60)
            if near:
                text = f"the model_type '{name}' is not known; did you mean {near}?"
                yield at("HFKV401", text)
                return
            if coded:
                return  # its code is its own, and so is its cache
        found = recognize(facts)
        if found.basis == "inferred":
            # A figure could be had, but by its shapes alone.
            name = printable(found.config.model_type)
            text = f"the model_type '{name}' is not known here, only its shapes"
            yield at("HFKV401", text, note=True)
        figure = Model(facts).kv_cache(
            tokens=1,
            dtype="auto" if _has_dtype(facts) else "bf16",
            encoder_tokens=1 if found.plan.crosses else None,
        )
        if figure.agreement.differs:
            yield at("HFKV403", printable(figure.agreement.told, 1000))
    except UnsupportedError as error:
        if _without_row(files):
            return  # an encoder keeps none, and of any other type nobody asked
        yield at("HFKV401", said(error), note=True)
    except HeaderError as error:
        text = str(error).replace(f"{folder}/", "").removeprefix(f"{document.path}: ")
        yield at("HFKV403", printable(text, 1000))
    except HfkvError as error:
        text = str(error).removeprefix(f"{document.path}: ").removeprefix("config.json: ")
        yield at("HFKV402", printable(text, 1000))


def _has_dtype(facts: Facts) -> bool:
    config: Mapping[str, Any] = facts.config or {}
    parts = [config, *(value for value in config.values() if isinstance(value, Mapping))]
    return facts.tensors is not None or any(
        part.get(key) is not None for part in parts for key in ("dtype", "torch_dtype")
    )


def _unknown_type(config: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Of a type that neither a row nor the pinned transformers knows: the one that it is nearly,
    or "", and whether the model comes with code of its own. None for a known one."""
    from hfkv.cache.registry import ROWS
    from hfkv.facts.classes import config_class

    name = config.get("model_type")
    if not isinstance(name, str) or not name or name in ROWS or config_class(name) is not None:
        return None
    coded = bool(config.get("auto_map"))
    # Another number is another model, and most likely a newer one.
    number = re.findall(r"[0-9]+", name)
    like = [known for known in ROWS if re.findall(r"[0-9]+", known) == number]
    like = [known for known in like if known[:1] == name[:1] and abs(len(known) - len(name)) < 2]
    near = [] if coded else difflib.get_close_matches(name, like, 1, 0.8)
    return (near[0] if near else ""), coded


def _without_row(files: Files) -> bool:
    """Whether a model is of a type that transformers has and no row is for."""
    from hfkv.cache.registry import ROWS

    name = (read(files).config or {}).get("model_type")
    return (
        isinstance(name, str) and name not in ROWS and _unknown_type({"model_type": name}) is None
    )


def _path(document: Document, message: str, code: str) -> KeyPath:
    """The key that a message begins with; else that of the type, if the type is in question."""
    key = message.partition(":")[0].strip()
    otherwise: KeyPath = (0, "model_type") if code == "HFKV401" else ()
    ways: tuple[KeyPath, ...] = ((0, *key.split(".")), (0, key), otherwise)
    for path in ways:
        if document.place(path).line > 1:
            return path
    return ()
