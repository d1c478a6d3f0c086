"""The arithmetic of a figure with the model's own numbers, and where each of them came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from hfkv.cache.conventions import CacheTensor, Layer
from hfkv.cache.registry import ADOPTED, FAMILIES
from hfkv.data import read_json
from hfkv.dtypes import BITS, torch_name
from hfkv.facts.classes import config_class, pinned_version
from hfkv.facts.config import Read
from hfkv.lines import wrapped
from hfkv.reading import printable
from hfkv.versions import said

__all__ = ["explain", "ranges", "row_place"]

_ORIGINS = {
    "explicit": "{file} says",
    "null": "{file} says null for",
    "class default": f"absent from {{file}}, filled in by transformers {pinned_version()}",
    "derived": "derived",
}
#: The symbols of axes, in the order in which they are explained.
_SYMBOLS = {
    "S": "sequences",
    "T": "tokens of each sequence",
    "T'": "tokens of each sequence, and the positions that the class puts before them",
    "W": "tokens that a window keeps, or all if they are fewer",
    "E": "positions of the encoder's output, kept once",
    "n": "entries, one for each so many tokens",
    "w": "tokens that do not fill an entry yet",
    "h": "key/value heads",
    "d": "elements of a head's key, and of its value",
    "dk": "elements of a head's key",
    "dv": "elements of a head's value",
    "c": "elements of the latent, of which every head's key and value is made",
    "r": "elements of the rotary key, which all heads share",
    "c+r": "elements of the latent and of the rotary key together",
    "i": "elements of an indexer's key, by which a layer chooses its tokens",
    "H": "elements of a hidden state",
}
#: What a tensor holds that the library calls otherwise, by its last axis.
_HOLDS = {"c": "the latent", "r": "the rotary key", "c+r": "latent and rotary key"}


def explain(
    *,
    layers: Sequence[Layer],
    total: int,
    marginal: int,
    average: Fraction,
    tokens: int,
    batch: int,
    reads: Sequence[Read],
    rows: Iterable[tuple[str, str, str]],
    file: str = "config.json",
    dtype: str = "",
    line: str = "",
) -> list[str]:
    """Lines of at most 80 columns: the symbols, each group of equal layers tensor by tensor, their
    sum, the three ways to say bytes per token, every config key that was read by where its value
    came from, and the rows of the registry with file and line.

    Args:
        layers: every layer's tensors.
        total, marginal, average: bytes of all, of the next token, and per token.
        tokens, batch: the question.
        reads: what the plan has read.
        rows: the type, the basis and the source of each row that made the plan.
        file: where the config stands.
        dtype: the element type, and where it is said.
        line: of which line of transformers it is.
    """
    lines = _symbols(layers)
    sums = []
    for indices, layer in grouped(layers):
        count = len(indices)
        lines += wrapped(f"{_layers(count)}, {layer.kind}: {ranges(indices)}")
        lines += [line for tensor in layer.tensors for line in wrapped(f"  {_product(tensor)}")]
        if not layer.tensors:
            lines.append("  keeps nothing")
            continue
        sums.append(count * layer.bytes)
        lines.append(f"  each {layer.bytes:,} B, x {count} = {count * layer.bytes:,} B")
    whole = f"{total:,} B"
    if len(sums) > 1:
        lines += wrapped(f"total: {' + '.join(f'{size:,}' for size in sums)} = {whole}")
    else:
        lines.append(f"total: {whole}")
    sequences = f" x {batch:,} sequences" if batch > 1 else ""
    lines += wrapped(
        f"average: {whole} / {tokens:,} tokens{sequences} = {_decimal(average)} B per token"
    )
    lines += wrapped(f"marginal: the next token adds {marginal:,} B")
    lines.append("asked for:")
    lines.append(f"  tokens = {tokens:,}, sequences = {batch:,}")
    for origin, title in _ORIGINS.items():
        found = [read for read in reads if read.origin == origin]
        if found:
            lines.append(f"{title.format(file=file)}:")
            lines += [line for read in found for line in _read(read)]
    if dtype:
        lines += wrapped(dtype)
    for row in rows:
        lines += wrapped(_rule(*row))
    return lines + wrapped(f"versions: {said('hfkv', 'transformers', line=line)}")


def _symbols(layers: Sequence[Layer]) -> list[str]:
    """The symbols of these layers' axes; the bytes of an element are one more."""
    used = {axis for layer in layers for tensor in layer.tensors for axis in tensor.axes}
    known = {axis: words for axis, words in _SYMBOLS.items() if axis in used}
    if not known:
        return []
    known["b"] = "bytes of an element"
    width = max(map(len, known))
    lines = ["symbols:"]
    for axis, words in known.items():
        lines += wrapped(f"  {axis:{width}}  {words}", width + 4)
    return [*lines, ""]


def row_place(model_type: str) -> str:
    """File and line where a row of the registry stands, be it another type's; "" where there is
    none.

    >>> row_place("llama").split(":")[0]
    'hfkv/cache/rows/full_attention.py'
    """
    model_type = ADOPTED.get(model_type, model_type)
    family = FAMILIES.get(model_type)
    if family is None:
        return ""
    source = (Path(__file__).parent / "rows" / f"{family}.py").read_text("utf-8")
    return f"hfkv/cache/rows/{family}.py:{_line(source, model_type)}"


def _line(source: str, model_type: str) -> int:
    """The first line from the table on that names the type."""
    found = re.compile(rf"(?<![\w-]){re.escape(model_type)}(?![\w-])")
    start = 0
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith(("ROWS", "_WHOLE")):
            start = start or number
        if start and found.search(line):
            return number
    return start


def grouped(layers: Iterable[Layer]) -> list[tuple[list[int], Layer]]:
    """Equal layers together: their numbers, and the first of them."""
    groups: dict[tuple[object, ...], tuple[list[int], Layer]] = {}
    for layer in layers:
        key = (layer.kind, tuple((t.name, t.shape, t.dtype) for t in layer.tensors))
        groups.setdefault(key, ([], layer))[0].append(layer.index)
    return list(groups.values())


def ranges(numbers: Sequence[int]) -> str:
    """``0-3, 5, 7-9``; a regular stride as ``0-60 step 6``; equal runs as ``0-4, 6-10 ... 54-58``.

    >>> ranges([0, 1, 2, 5]), ranges([5, 11, 17, 23])
    ('0-2, 5', '5-23 step 6')
    """
    if len(numbers) > 2:
        strides = {b - a for a, b in pairwise(numbers)}
        if len(strides) == 1 and strides != {1}:
            return f"{numbers[0]}-{numbers[-1]} step {strides.pop()}"
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _layers(count: int) -> str:
    return f"{count} layer" if count == 1 else f"{count} layers"


def _product(tensor: CacheTensor) -> str:
    bits = BITS[tensor.dtype]
    named = any(tensor.axes)
    width = f"{'b=' if named else ''}{bits // 8} B" if bits % 8 == 0 else f"{bits} bits"
    axes = tensor.axes or ("",) * len(tensor.shape)
    shape = " x ".join(
        f"{axis}={size:,}" if axis else f"{size:,}"
        for axis, size in zip(axes, tensor.shape, strict=True)
    )
    held = _HOLDS.get(axes[-1]) if axes else None
    name = f"{tensor.name} ({held})" if held else tensor.name
    return f"{name}: {shape} x {width} ({torch_name(tensor.dtype)}) = {tensor.bytes:,} B"


def _read(read: Read) -> list[str]:
    if read.origin == "null":
        return wrapped(f"  {printable(read.key)}")
    source = f", {read.of}" if read.origin == "derived" else ""
    return wrapped(f"  {printable(read.key)} = {printable(_value(read.value), 600)}{source}")


def _value(value: Any) -> str:
    """A value as JSON has it; runs in lists are counted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if not isinstance(value, list):
        return str(value)
    if len(value) < 5:
        return "[" + ", ".join(map(_value, value)) + "]"
    runs = [(item, len(list(group))) for item, group in groupby(map(_value, value))]
    shown = _periodic(runs) or ", ".join(item if n == 1 else f"{n} x {item}" for item, n in runs)
    return f"{len(value)} entries: {shown}"


def _periodic(runs: list[tuple[str, int]]) -> str:
    """``5 x a, b; again and again`` where the runs repeat with a period of two."""
    if len(runs) < 6 or any(run != runs[index % 2] for index, run in enumerate(runs[:-1])):
        return ""
    if runs[-1][0] != runs[(len(runs) - 1) % 2][0]:
        return ""
    first, second = (item if n == 1 else f"{n} x {item}" for item, n in runs[:2])
    return f"{first}, {second}, and so on"


def _decimal(value: Any) -> str:
    return f"{float(value):,.2f}".rstrip("0").rstrip(".")


def _rule(model_type: str, basis: str, source: str) -> str:
    place = row_place(model_type)
    at = f" at {place}" if place else ""
    if model_type in ADOPTED:
        proof = read_json("adopted_proofs.json")[model_type]
        at += (
            f", as {ADOPTED[model_type]}, which {proof['configs']} configs of its class bore out "
            f"(transformers {proof['transformers']})"
        )
    if not source:
        found = config_class(model_type)
        name = found.architectures[0] if found is not None and found.architectures else ""
        source = f"transformers {pinned_version()}" + (f", {name}" if name else "")
    return f"row {printable(model_type)} ({basis}){at}: {source}"
