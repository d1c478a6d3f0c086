"""What the last of transformers' 4.x lacks of what live figures need."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "autocast_of_meta",
    "decoded",
    "has_own_cache",
    "layers_of",
    "step_of_its_own",
    "without_experts",
]

#: Lists with an item for each layer, to the names that hfkv has for such tensors.
_LISTS = (
    ("key_cache", "keys"),
    ("value_cache", "values"),
    ("conv_states", "conv_states.0"),
    ("conv_cache", "conv_states.0"),
    ("ssm_states", "recurrent_states.0"),
    ("recurrent_states", "recurrent_states.0"),
)


def decoded(library: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a config as the library reads them from a file: it may write infinity as an
    object, which 4.x does not know."""
    read = getattr(getattr(library, "PreTrainedConfig", None), "_decode_special_floats", None)
    return values if read is None else dict(read(values))


@contextlib.contextmanager
def autocast_of_meta() -> Iterator[None]:
    """Within it ``torch.autocast`` can be switched off for the meta device too, as rotary
    embeddings of 4.x do; 5.x asks first whether the device has it."""
    from unittest.mock import patch

    import torch

    autocast = torch.autocast

    def known(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return autocast("cpu" if device_type == "meta" else device_type, *args, **kwargs)

    with patch.object(torch, "autocast", known):
        yield


def without_experts(model: Any) -> None:
    """Let mixtures of 4.x give back what they are given: their experts take tokens by number, which
    the meta device does not know, and what is kept does not depend on it."""
    if not _is_older():
        return
    for module in model.modules():
        if hasattr(module, "moe") and hasattr(module, "experts"):
            module.moe = lambda hidden, *_: hidden


def has_own_cache(model: Any) -> bool:
    """Whether generation makes a cache of the class's own, one that is no ``Cache``, as classes
    with states do in 4.x: it is made where the inputs of a step are prepared, and nowhere else."""
    usual = getattr(model, "_supports_default_dynamic_cache", None)
    # 5.x still asks, and then hands such a class nothing: each makes its own.
    return _is_older() and usual is not None and not usual()


def step_of_its_own(model: Any, ids: Any, past: Any, seen: int) -> dict[str, Any]:
    """The inputs of a step of such a class, as generation prepares them.

    Args:
        ids: of the step's tokens.
        past: the cache that the step before left, None in the first.
        seen: tokens of the steps before.
    """
    import torch

    batch, count = ids.shape
    whole = torch.ones((batch, seen + count), dtype=torch.long, device=ids.device)
    states = "cache_params" in inspect.signature(model.forward).parameters
    made: dict[str, Any] = model.prepare_inputs_for_generation(
        whole,
        attention_mask=whole,
        cache_position=torch.arange(seen, seen + count, device=ids.device),
        use_cache=True,
        **{"cache_params" if states else "past_key_values": past},
    )
    if not ids.is_meta:
        return made
    # It slices by values, and masks are of sizes that are read off values, which the meta device
    # lacks; what is kept depends on neither.
    for module in model.modules():
        if hasattr(module, "_update_causal_mask"):
            module._update_causal_mask = lambda *_, **__: None
    return {**made, "input_ids": ids, "position_ids": None, "attention_mask": None}


def layers_of(cache: Any) -> list[Mapping[str, Any]] | None:
    """What each layer keeps in such a cache, by the names of 5.x; None of another cache."""
    parts = {
        name: list(held.values()) if isinstance(held, dict) else list(held)
        for name, held in ((new, getattr(cache, old, None)) for old, new in _LISTS)
        if held is not None
    }
    if not parts or hasattr(cache, "layers"):
        return None
    return [
        {
            name: held[index]
            for name, held in parts.items()
            if index < len(held)
            and held[index] is not None
            and len(held[index])
            and held[index].numel()
        }
        for index in range(max(map(len, parts.values())))
    ]


def _is_older() -> bool:
    import transformers

    return bool(transformers.__version__.startswith("4."))
