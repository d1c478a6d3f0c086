"""What a file is, by its content: its name says little, and less in other people's repositories.

A file is ours when it is shaped like ours: it has ``peft_type``, a trainer's own keys, the fields
of a model's config, or a marker. What is not is left alone, and counted where it has LoRA's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hfkv.check.asked import Asked
from hfkv.check.document import Document
from hfkv.check.peft_config import adapter_of, is_adapter
from hfkv.check.training import training_of
from hfkv.errors import ConfigError

__all__ = ["CHECKED", "DOCUMENTS", "OURS", "Part", "parts_of", "speaks_of_lora"]

#: Endings of documents, whose claims are in comments as HTML and Markdown have them.
DOCUMENTS = frozenset(".md .markdown .mdx .qmd .rmd .html .htm .txt".split())
_SCRIPTS = frozenset(".py .ipynb .sh .bash .slurm .sbatch".split())
#: Endings of files that can hold something to check.
CHECKED = DOCUMENTS | _SCRIPTS | frozenset(".json .jsonc .json5 .yaml .yml .toml".split())
#: Names that only files which are checked have.
OURS = ("adapter_config.json",)
#: One of these stands in every text that sets up LoRA.
_WORDS = ("lora", "peft", "target_modules")
#: In Python, and in other scripts, one of these.
_CALLS = re.compile(
    r"(?:Lora|IA3|LoHa|LoKr|OFT|Vera|HRA|FT)Config\b|get_peft_model|target_modules|TARGET_MODULES"
)
_FLAGS = ("lora", "target_modules", "target-modules")
#: Keys of which a model's config has some beside ``model_type``.
_CONFIG_KEYS = frozenset(
    """architectures hidden_size n_embd d_model dim num_hidden_layers n_layer num_layers vocab_size
    text_config transformers_version num_attention_heads torch_dtype dtype auto_map""".split()
)
#: What tells a training config even where the file cannot be parsed.
_SHAPED = re.compile(
    r"^[\s\"'{-]*(?:lora_r|lora_rank|lora_target\w*|lora_attn_modules|target_modules)[\"']?\s*[:=]",
    re.MULTILINE,
)
#: What tells that a text sets up LoRA, or speaks of it as a config does.
_SPEAKS = re.compile(
    r"\blora_(?:r|rank|alpha|dropout|target\w*)\b[\"']?\s*[:=]|--lora[-_](?:r|rank|target\w*)\b"
    r"|\bLoraConfig\s*\(|\bget_peft_model\s*\(|[\"']?\bpeft_type\b[\"']?\s*[:=]"
    r"|^[\s\"'-]*target_modules[\"']?\s*[:=]",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to check in a file.

    Attributes:
        kind: an adapter (of whichever format), a model's config, or the claims of a document.
        asked: what an adapter's config asks; None for one in which nothing is checked: it trains
            no adapter, or one that targets no modules.
    """

    kind: Literal["adapter", "config", "claims"]
    asked: Asked | None = None


def speaks_of_lora(document: Document) -> bool:
    """Whether a file that was not recognised sets up LoRA all the same, as far as words tell."""
    return document.suffix not in DOCUMENTS and _SPEAKS.search(document.text) is not None


def parts_of(document: Document) -> Iterator[Part]:
    """What there is to check in a file.

    Raises:
        ConfigError: it is one that is checked, and cannot be read.
    """
    text = document.text
    if document.suffix in DOCUMENTS:
        if "hfkv" in text or "KV cache" in text:
            yield Part(kind="claims")
        return
    if not _worth_parsing(document):
        return
    try:
        tree = document.tree()
    except ConfigError:
        # Templates and other programs' files are not ours to judge, unless they are shaped so.
        if _shaped(document):
            raise
        return
    for number, value in enumerate(tree.values):
        json = document.suffix == ".json"
        if json and isinstance(value, Mapping) and is_adapter(value):
            yield Part(kind="adapter", asked=adapter_of(value, (number,)))
        elif json and isinstance(value, Mapping) and _is_config(value, document.file.name):
            yield Part(kind="config")
        else:
            for asked in training_of(value, (number,), text):
                yield Part(kind="adapter", asked=asked)


def _worth_parsing(document: Document) -> bool:
    # Parsing costs far more than looking for the words that every such file has.
    text, suffix = document.text, document.suffix
    if suffix in (".py", ".ipynb"):
        return _CALLS.search(text) is not None
    if suffix in _SCRIPTS:
        return any(word in text for word in _FLAGS)
    if document.file.name in OURS:
        return True
    if suffix == ".json" and '"model_type"' in text:
        return True
    lower = text.lower()
    return any(word in lower for word in _WORDS)


def _shaped(document: Document) -> bool:
    """Whether a file that cannot be parsed is one of ours, by its look."""
    text, suffix = document.text, document.suffix
    if "{{" in text or "{%" in text or "<%" in text or suffix in _SCRIPTS:
        return False
    if suffix == ".json":
        if document.file.name in OURS or '"peft_type"' in text:
            return True
        if document.file.name == "config.json" and '"model_type"' in text:
            return any(f'"{key}"' in text for key in _CONFIG_KEYS)
    return _SHAPED.search(text) is not None


def _is_config(value: Mapping[str, Any], name: str) -> bool:
    """Whether an object is a model's config: its type, and what no other program's config has."""
    if not isinstance(value.get("model_type"), str):
        return False
    keys = len(_CONFIG_KEYS & value.keys())
    if name == "config.json":
        return keys > 0
    return isinstance(value.get("architectures"), list) and keys > 2
