"""A model that the caller has at hand: a config, a header and a card as values. No I/O at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hfkv.dtypes import canonical
from hfkv.errors import InputError, InputTypeError
from hfkv.reading import describe, printable
from hfkv.source.files import Files
from hfkv.tensors import TableBuilder, TensorTable

__all__ = ["files_given"]

#: What a safetensors header says of the file itself.
_OF_THE_FILE = "__metadata__"
#: Dimensions of one tensor; torch and numpy allow no more than 64.
_MOST_DIMENSIONS = 64


def files_given(
    config: object, *, header: object = None, card: object = None, name: object = None
) -> Files:
    """The files that these values stand for.

    Args:
        config: what ``config.json`` holds, or a ``transformers`` config object.
        header: what the safetensors headers hold, as :func:`hfkv.load` takes it.
        card: the text of ``README.md``.
        name: what to call the model; a Hub id finds what was read of its pretraining.

    Raises:
        InputError: a value is not usable.
    """
    texts = {"config.json": _config(config)}
    missing = {}
    for key, value in (("card", card), ("name", name)):
        if value is not None and not isinstance(value, str):
            raise InputTypeError(f"found {describe(value)}", where=f"`{key}`", expected="a text")
    if isinstance(card, str):
        texts["README.md"] = card.encode("utf-8", "replace")
    else:
        missing["README.md"] = "a config alone has no model card"
    if header is None:
        missing["tensors"] = "a config alone has no safetensors headers"
    return Files(
        model=name if isinstance(name, str) and name else "config",
        source="given",
        texts=texts,
        tensors=None if header is None else _table(header),
        missing=missing,
        settled=False,
    )


def _config(config: object) -> bytes:
    written = getattr(config, "to_json_string", None)
    if callable(written):
        # A config of transformers: what save_pretrained would write.
        return str(written()).encode()
    if not isinstance(config, Mapping):
        raise InputTypeError(
            f"found {describe(config)}", where="`model`", expected="a name, a path or a config"
        )
    try:
        return json.dumps(dict(config), default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the config is not what JSON can hold: {printable(str(error))}", where="`model`"
        ) from None


def _plain(value: object) -> Any:
    """What stands inside a config and is no JSON value: an inner mapping, a ``torch.dtype``."""
    if isinstance(value, Mapping):
        return dict(value)
    if str(value).startswith("torch."):
        return str(value).removeprefix("torch.")
    raise TypeError(f"found {describe(value)}")


def _table(header: object) -> TensorTable:
    headers = [header] if isinstance(header, Mapping) else header
    if isinstance(headers, str) or not isinstance(headers, Iterable):
        raise InputTypeError(
            f"found {describe(header)}",
            where="`header`",
            expected="a mapping of tensor names, or several",
        )
    builder = TableBuilder(where="`header`")
    for number, item in enumerate(headers):
        if not isinstance(item, Mapping):
            raise InputTypeError(
                f"found {describe(item)}", where="`header`", expected="mappings of tensor names"
            )
        builder.begin(f"header {number}")
        for name, value in item.items():
            if name != _OF_THE_FILE:
                builder.add(*_tensor(name, value))
    return builder.table()


def _tensor(name: object, value: object) -> tuple[str, str, tuple[int, ...]]:
    if not isinstance(name, str):
        raise InputTypeError(f"found {describe(name)}", where="`header`", expected="tensor names")
    where = f"`header`: {printable(name, 80)}"
    dtype, shape = (
        (value.get("dtype"), value.get("shape"))
        if isinstance(value, Mapping)
        else (getattr(value, "dtype", None), getattr(value, "shape", None))
    )
    if dtype is None or isinstance(shape, str) or not isinstance(shape, Iterable):
        raise InputTypeError(
            f"found {describe(value)}", where=where, expected="a dtype and a shape"
        )
    sizes = tuple(shape)
    if len(sizes) > _MOST_DIMENSIONS or not all(
        isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**48 for size in sizes
    ):
        raise InputError(f"found {describe(list(sizes))}", where=where, expected="a shape")
    # numpy's dtypes are no names, and say theirs.
    said = getattr(dtype, "name", None) or dtype
    return name, canonical(said, where=where), tuple(int(size) for size in sizes)
