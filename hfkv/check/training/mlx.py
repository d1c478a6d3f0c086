"""mlx-lm's YAML, and the ``adapter_config.json`` that it writes: ``lora_parameters``."""

from __future__ import annotations

from typing import Any

from hfkv.check.asked import Asked, EveryLinear
from hfkv.check.training.fields import Fields, Section, context, integer

__all__ = ["mlx"]

_RANK = 8
#: Layers from the end that are adapted unless the file says how many.
_LAYERS = 16


def mlx(section: Section) -> list[Asked] | None:
    """The adapter of an mlx-lm config; an empty list where it trains none, None where it is no
    such config."""
    value = section.value
    parameters = section.below("lora_parameters")
    if "model" not in value or (parameters is None and "fine_tune_type" not in value):
        return None
    kind = value.get("fine_tune_type", "lora")
    if kind not in ("lora", "dora") or value.get("train") is False:
        return []
    read = Fields(parameters or section)
    keys = read.take("keys", "target_modules")
    if isinstance(keys, list):
        # mlx-lm has classes of its own for experts.
        read.fields["target_modules"] = [key for key in keys if "switch_mlp" not in str(key)]
    read.take("rank", "r", _RANK)
    read.misspelt(("rank", "alpha", "scale", "dropout", "keys", *value))
    if kind == "dora":
        read.fields["use_dora"] = True
    layers = section.first("num_layers", "lora_layers")
    more: dict[str, Any] = {"layers": _LAYERS}
    if layers is not None:
        more = {"layers": integer(layers[0]), "layers_path": layers[1]}
    every = None
    if keys is None and "target_modules" not in read.unknown:
        every = EveryLinear(but=("lm_head",), anywhere=True)
    # What mlx-lm writes beside an adapter repeats what it was run with: nobody chose a name there.
    written = section.text.lstrip().startswith("{") and keys is None
    return [
        read.asked(
            "mlx-lm",
            None if written else section.first("model"),
            needs_base=not written,
            every_linear=every,
            uncounted="mlx-lm adapts the last layers alone",
            **more,
            **context(section, ("max_seq_length",), ("batch_size",)),
        )
    ]
