"""The LoRA parts of training configs: each format is told by its keys, and has a reader.

What a reader gives is what the trainer passes to PEFT's ``LoraConfig``, its own defaults included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.check.asked import Asked
from hfkv.check.text.places import KeyPath
from hfkv.check.training.autotrain import autotrain
from hfkv.check.training.axolotl import axolotl
from hfkv.check.training.fields import Section
from hfkv.check.training.h2o import h2o
from hfkv.check.training.inline import inline
from hfkv.check.training.litgpt import litgpt
from hfkv.check.training.llama_factory import llama_factory
from hfkv.check.training.ludwig import ludwig
from hfkv.check.training.mlx import mlx
from hfkv.check.training.nemo import nemo
from hfkv.check.training.openrlhf import openrlhf
from hfkv.check.training.oumi import oumi
from hfkv.check.training.python import python
from hfkv.check.training.swift import swift
from hfkv.check.training.torchtune import torchtune
from hfkv.check.training.trl import trl
from hfkv.check.training.verl import verl

__all__ = ["training_of"]

#: In this order: what the first of them takes for its own is not asked of the others. Formats that
#: are told by a key of their own come before those that share theirs.
_READERS = (
    python, torchtune, axolotl, autotrain, ludwig, h2o, mlx, swift, oumi, verl, nemo, litgpt,
    llama_factory, trl, openrlhf, inline,
)  # fmt: skip
_DEEPEST = 12


def training_of(value: Any, root: KeyPath, text: str) -> Iterator[Asked | None]:
    """What a training config asks of LoRA, also where several runs are listed: None for one that
    trains no adapter, and nothing where it is no such config.

    Args:
        value: the parsed file.
        root: the place of ``value`` in it.
        text: the file's text, whose comments can matter.
    """
    yield from _search(value, root, text, (), 0)


def _search(
    value: Any, path: KeyPath, text: str, around: tuple[Section, ...], depth: int
) -> Iterator[Asked | None]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        section = Section(value=value, path=path, text=text, around=around)
        for reader in _READERS:
            found = reader(section)
            if found is not None:
                yield from found or (None,)
                return
        for key, item in value.items():
            if isinstance(item, (Mapping, list)):
                yield from _search(item, (*path, str(key)), text, (section, *around), depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, (Mapping, list)):
                yield from _search(item, (*path, number), text, around, depth + 1)
