"""The arithmetic of an adapter with the model's own numbers, and where each of them came from."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hfkv.dtypes import BITS, torch_name
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.facts.dtype import dtype_origin
from hfkv.lines import wrapped
from hfkv.modules.built import target_name
from hfkv.peft.lora.draft import Adapted
from hfkv.peft.lora.inject import Injection
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.variants import requested
from hfkv.reading import printable
from hfkv.versions import said

__all__ = ["explain"]

_SYMBOLS = (
    "symbols:",
    "  r        rank",
    "  in, out  inputs and outputs of a layer; its weight W (out x in) stays",
    "  A, B     trained beside it, A: r x in, B: out x r; the layer then",
    "           computes W x + s B A x, where s is lora_alpha / r",
    "  b        bytes of an element",
    "one layer has r x in + out x r = r x (in + out) parameters",
    "",
)


def explain(
    injection: Injection,
    options: LoraOptions,
    *,
    size: int,
    element: str,
    basis: str,
    facts: Facts | None,
) -> list[str]:
    """Lines of at most 80 columns: the symbols, each target's product, their sum in parameters and
    bytes, and where ranks, sizes and the element type came from.

    Args:
        injection, options: what PEFT does, and what was asked for.
        size, element: the adapter's bytes, and the safetensors name of its element type.
        basis: how the modules are known.
        facts: what the base model was read from.
    """
    lines = list(_SYMBOLS)
    groups = _groups(injection)
    counts = []
    for items in groups:
        count = sum(item.parameters for item in items)
        counts.append(count)
        lines += wrapped(f"{_product(items[0], options)}, x {len(items):,} = {count:,}")
    for name, saved in injection.saved.items():
        if saved:
            counts.append(saved)
            lines += wrapped(f"{printable(name)}, trained whole or row by row: {saved:,}")
    biases = sum(injection.biases.values())
    if biases:
        counts.append(biases)
        lines.append(f"biases of the base model: {biases:,}")
    total, dtype = injection.trainable, torch_name(element)
    parts = f"{' + '.join(f'{count:,}' for count in counts)} = " if len(counts) > 1 else ""
    lines += wrapped(f"total: {parts}{total:,} parameters")
    width = float(Fraction(BITS[element], 8))
    lines += wrapped(f"bytes: {total:,} x b={width:g} B ({dtype}) = {size:,} B")
    share = float(Fraction(100 * total, injection.all))
    lines += wrapped(
        f"share: {total:,} of {injection.all:,} parameters, adapter and model together, are "
        f"{share:.4f}%"
    )
    lines += _asked(options)
    lines += _sizes(groups, facts)
    if facts is not None and facts.config is not None:
        config = Config(facts.config, where=facts.model)
        lines += wrapped(f"{dtype}: {dtype_origin(facts, config, element)}")
    line = facts.line if facts is not None else ""
    builds, adapts = said("transformers", line=line), said("peft", line=line)
    lines += wrapped(f"modules ({basis}): as {builds} builds them and {adapts} adapts them")
    return lines + wrapped(f"versions: {said('hfkv', 'transformers', 'peft', line=line)}")


def _groups(injection: Injection) -> list[list[Adapted]]:
    """Modules whose adapters are alike, in the order of the first of each."""
    groups: dict[tuple[object, ...], list[Adapted]] = {}
    for item in injection.adapted:
        key = (target_name(item.name), item.inputs, item.outputs, item.experts, item.rank)
        groups.setdefault((*key, item.parameters), []).append(item)
    return list(groups.values())


def _product(item: Adapted, options: LoraOptions) -> str:
    """``q_proj: r=32 x (in=8,192 + out=8,192) = 524,288``, with what a variant adds to it."""
    name = printable(target_name(item.name), 80)
    experts = f"{item.experts:,} experts x " if item.experts > 1 else ""
    plain = item.experts * item.rank * (item.inputs + item.outputs)
    more = item.parameters - plain
    sizes = f"{experts}r={item.rank:,} x (in={item.inputs:,} + out={item.outputs:,})"
    if not more:
        return f"{name}: {sizes} = {plain:,}"
    names = [*requested(options), *(("lora_bias",) if options.lora_bias else ())]
    whose = f" ({', '.join(names)})" if names else ""
    if more > 0:
        return f"{name}: {sizes} + {more:,}{whose} = {item.parameters:,}"
    what = whose or " (a convolution in groups)"
    return f"{name}: {sizes} - {-more:,} that are not held{what} = {item.parameters:,}"


def _asked(options: LoraOptions) -> Iterator[str]:
    targets = options.target_modules
    said = "PEFT's default for the type" if targets is None else targets
    shown = said if isinstance(said, str) else ", ".join(said)
    yield "asked for:"
    yield f"  r = {options.r:,}"
    yield from wrapped(f"  target_modules = {printable(shown, 400)}")
    if isinstance(targets, str) and targets.lower() == "all-linear":
        yield "  all-linear: every linear layer but the output embedding"


def _sizes(groups: list[list[Adapted]], facts: Facts | None) -> Iterator[str]:
    """Where in and out of each target stand: in the header, or in what the class makes of keys."""
    tensors = None if facts is None else facts.tensors
    if tensors is None:
        yield from wrapped("in and out are what the class makes of config.json; no header was read")
        return
    yield "in and out are sizes of the file's weights:"
    for items in groups:
        name = items[0].name
        tensor = tensors.get(f"{name}.weight") or tensors.get(name)
        if tensor is None:
            yield from wrapped(f"  {printable(name)}: under other names, or in parts, in the file")
            continue
        shape = ", ".join(map(str, tensor.shape))
        yield from wrapped(f"  {printable(tensor.name)}: [{shape}] {tensor.dtype}")
