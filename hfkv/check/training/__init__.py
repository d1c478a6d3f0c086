"""The LoRA parts of training configs: each format is told by its keys, and has a reader.

What a reader gives is what the trainer passes to PEFT's ``LoraConfig``, its own defaults included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.document import KeyPath
from hfkv.check.training.axolotl import axolotl
from hfkv.check.training.inline import inline
from hfkv.check.training.llama_factory import llama_factory
from hfkv.check.training.torchtune import torchtune
from hfkv.check.training.trl import trl

__all__ = ["training_of"]

#: In this order: what the first of them takes for its own is not asked of the others.
_READERS = (torchtune, axolotl, llama_factory, trl)


def training_of(value: Mapping[str, Any], root: KeyPath, text: str) -> Iterator[Asked]:
    """What a training config asks of LoRA; nothing where it is none.

    Args:
        value: the parsed file.
        root: the place of ``value`` in it.
        text: the file's text, whose comments can matter.
    """
    for reader in _READERS:
        found = reader(value, root, text)
        if found is not None:
            yield from found
            return
    yield from inline(value, root)
