"""LoRA's variants: what each adds to a layer's adapter, or keeps from being trained.

``LoraConfig`` switches them on by a field of their own (MiCA by ``init_lora_weights``). PEFT takes
one at a time, on linear layers; DoRA also on embeddings and convolutions, MiCA on embeddings.

- DoRA: a magnitude for each output.
- KaSA: a diagonal of as many elements as the rank.
- MonteCLoRA: two vectors of its sampler, one per rank and one per sample.
- MiCA: B is frozen where it starts, and A alone is trained.
- BD-LoRA: A or B is block-diagonal, and holds the blocks alone.
- aLoRA and VeLoRA: the adapter's own parameters, used otherwise (VeLoRA keeps a buffer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hfkv.errors import TargetError
from hfkv.peft.lora.options import LoraOptions
from hfkv.reading import printable

__all__ = ["VARIANTS", "Size", "buffers", "low_rank", "requested", "start_step", "uncast"]

#: Field of ``LoraConfig`` to the kinds of modules on which PEFT has that variant.
VARIANTS: dict[str, tuple[str, ...]] = {
    "use_dora": ("linear", "Conv1D", "embedding", "conv1d", "conv2d", "conv3d"),
    "mica": ("linear", "Conv1D", "embedding"),
    "kasa_config": ("linear",),
    "monteclora_config": ("linear", "Conv1D"),
    "use_bdlora": ("linear", "Conv1D"),
    "alora_invocation_tokens": ("linear", "Conv1D"),
    "velora_config": ("linear", "Conv1D"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One adapter of a linear layer or an embedding.

    Attributes:
        trained, frozen: its parameters.
        slope: trained ones that one more rank adds.
        step, most: the rank must be a multiple of ``step`` and at most ``most``.
    """

    trained: int
    frozen: int = 0
    slope: int
    step: int = 1
    most: int | None = None


def requested(options: LoraOptions) -> tuple[str, ...]:
    """The variants that a config switches on, sorted."""
    # A config of its own switches a variant on even where it is empty.
    found = [
        name for name in VARIANTS if name != "mica" and getattr(options, name) not in (None, False)
    ]
    if options.init_lora_weights == "mica":
        found.append("mica")
    return tuple(sorted(found))


def low_rank(
    options: LoraOptions,
    kind: str,
    name: str,
    inputs: int,
    outputs: int,
    rank: int,
    *,
    where: str,
) -> Size:
    """One adapter of a linear layer or an embedding.

    Raises:
        TargetError: PEFT refuses the variant here.
    """
    variants = requested(options)
    each = inputs + outputs
    bias = outputs if options.lora_bias else 0
    plain = rank * each + bias
    if not variants:
        return Size(trained=plain, slope=each)
    if len(variants) > 1 or kind not in VARIANTS[variants[0]]:
        raise TargetError(
            f"PEFT has no {' with '.join(variants)} for {printable(name)}, a layer of kind {kind}",
            where=where,
            hint="exclude it, or leave the variant out",
        )
    (variant,) = variants
    if variant == "use_dora":
        return Size(trained=plain + outputs, slope=each)
    if variant == "kasa_config":
        most = _below(variant, rank, min(inputs, outputs) - 1, name, where)
        return Size(trained=plain + rank, slope=each + 1, most=most)
    if variant == "mica":
        most = _below(variant, rank, min(inputs, outputs), name, where)
        return Size(trained=rank * inputs, frozen=rank * outputs + bias, slope=inputs, most=most)
    if variant == "monteclora_config":
        samples = dict(options.monteclora_config or ()).get("num_samples", 8)
        return Size(trained=plain + rank + int(samples), slope=each + 1)
    if variant == "use_bdlora":
        return _blocks(dict(options.use_bdlora or ()), name, inputs, outputs, rank, bias, where)
    return Size(trained=plain, slope=each)


def _below(variant: str, rank: int, most: int, name: str, where: str) -> int:
    if rank > most:
        raise TargetError(
            f"PEFT needs a rank of at most {most} at {printable(name)} for {variant}",
            where=where,
            expected=f"at most {most}, found {rank}",
        )
    return most


def _blocks(
    config: dict[str, Any],
    name: str,
    inputs: int,
    outputs: int,
    rank: int,
    bias: int,
    where: str,
) -> Size:
    """BD-LoRA: of a block-diagonal matrix only the blocks are held; a block-diagonal B has no
    bias."""
    count = int(config.get("nblocks", 1))
    first = any(part in name for part in config.get("target_modules_bd_a") or ())
    second = any(part in name for part in config.get("target_modules_bd_b") or ())
    if first and second:
        raise TargetError(
            f"{printable(name)} is named for a block-diagonal A and B, and PEFT takes one",
            where=where,
        )
    if not first and not second:
        if config.get("match_strict", True):
            raise TargetError(
                f"{printable(name)} is named in neither list of use_bdlora, which PEFT refuses",
                where=where,
                hint="match_strict=False takes plain LoRA there",
            )
        return Size(trained=rank * (inputs + outputs) + bias, slope=inputs + outputs)
    for size in (rank, inputs if first else outputs):
        if size % count:
            raise TargetError(
                f"use_bdlora needs sizes divisible by its {count} blocks at {printable(name)}",
                where=where,
                expected=f"a multiple of {count}, found {size}",
            )
    each = inputs // count + outputs if first else inputs + outputs // count
    return Size(trained=rank * each + (bias if first else 0), slope=each, step=count)


def buffers(options: LoraOptions, inputs: int, rank: int) -> int:
    """Elements that a variant saves beside its parameters: VeLoRA's direction, one group long, and
    MonteCLoRA's prior, a square of the rank and one value per sample."""
    if options.velora_config is not None:
        groups = int(dict(options.velora_config).get("num_groups", 64))
        return -(-inputs // groups)
    return uncast(options, rank)


def uncast(options: LoraOptions, rank: int) -> int:
    """Of these, elements that are never cast to float32: MonteCLoRA's."""
    if options.monteclora_config is None:
        return 0
    return rank * rank + int(dict(options.monteclora_config).get("num_samples", 8))


#: Ways of starting that PEFT has for linear layers, beside true and false.
_STARTS = ("gaussian", "olora", "mica")
_EXACT = ("eva", "loftq", "orthogonal", "lora_ga")


def start_step(options: LoraOptions, kind: str, name: str, rank: int, where: str) -> int:
    """What a rank must be a multiple of, for PEFT to start the layer as ``init_lora_weights`` says.

    Raises:
        TargetError: it cannot, and makes no adapter.
    """
    start = options.init_lora_weights
    if not isinstance(start, str) or kind == "embedding":
        return 1
    if kind.startswith("conv"):
        known = start.lower() == "gaussian" or start == "lora_ga"
    else:
        times = start.removeprefix("pissa_niter_")
        known = (
            start.lower() in _STARTS
            or start in (*_EXACT, "pissa")
            or (start != times and times.isascii() and times.isdigit())
            or start.startswith("corda")
        )
    if not known:
        raise TargetError(
            f"PEFT cannot start {printable(name)} by init_lora_weights='{printable(start, 40)}'",
            where=where,
        )
    if start != "orthogonal":
        return 1
    if rank % 2:
        raise TargetError(
            f"PEFT needs an even rank for an orthogonal start, found {rank} at {printable(name)}",
            where=where,
        )
    return 2
