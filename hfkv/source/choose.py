"""Which of a repository's files hold the model: the choice that ``from_pretrained`` makes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hfkv.errors import HeaderError

__all__ = ["SIDE_FILES", "choose_weights"]

#: Small files beside ``config.json`` that figures read.
SIDE_FILES = (
    "generation_config.json",
    "quantize_config.json",
    "hf_quant_config.json",
    "adapter_config.json",
)
_SHARD = re.compile(r"model-([0-9]{5})-of-([0-9]{5})\.safetensors")


def choose_weights(names: Iterable[str], *, where: str) -> tuple[list[str], str]:
    """The safetensors files of the model itself, and the reason where there are none.

    A single ``model.safetensors`` comes before shards, as in transformers; an adapter's file is
    taken where there is nothing else; variants (``model.fp16.safetensors``), ``consolidated``
    copies and subfolders are other renderings or other components, not the model.

    Raises:
        HeaderError: shards are missing.
    """
    found = set(names)
    if "model.safetensors" in found:
        return ["model.safetensors"], ""
    shards: dict[int, dict[int, str]] = {}
    for name in found:
        match = _SHARD.fullmatch(name)
        if match:
            shards.setdefault(int(match.group(2)), {})[int(match.group(1))] = name
    if shards:
        total = max(shards)
        missing = sorted(set(range(1, total + 1)) - set(shards[total]))
        # Some repositories count from 0, which is complete as well.
        if missing and set(shards[total]) != set(range(total)):
            raise HeaderError(
                f"shard {missing[0]} of {total} is missing",
                where=where,
                expected=f"{total} files model-NNNNN-of-{total:05d}.safetensors",
            )
        return [shards[total][number] for number in sorted(shards[total])], ""
    if "adapter_model.safetensors" in found:
        return ["adapter_model.safetensors"], ""
    if any(re.fullmatch(r"pytorch_model.*\.bin", name) for name in found):
        return [], "the weights are only there as pytorch_model.bin, which has no readable header"
    if any(name.endswith(".gguf") for name in found):
        return [], "the weights are only there as GGUF"
    return [], "there are no safetensors files"
