"""What a file is, by its content: its name says little, and less in other people's repositories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hfkv.check.asked import Asked
from hfkv.check.document import Document
from hfkv.check.peft_config import adapter_of, is_adapter
from hfkv.check.training import training_of
from hfkv.errors import ConfigError

__all__ = ["DOCUMENTS", "OURS", "Part", "parts_of"]

#: Endings of documents, whose claims are in comments as HTML and Markdown have them.
DOCUMENTS = frozenset(".md .markdown .mdx .qmd .rmd .html .htm .txt".split())
#: Names that only files which are checked have.
OURS = ("adapter_config.json", "config.json")
#: One of these stands in every training config that sets up LoRA.
_WORDS = ("lora", "peft", "target_modules")
#: Keys of which a model's config has some beside ``model_type``.
_CONFIG_KEYS = frozenset(
    """architectures hidden_size n_embd d_model dim num_hidden_layers n_layer num_layers vocab_size
    text_config transformers_version num_attention_heads torch_dtype dtype""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to check in a file.

    Attributes:
        kind: an adapter (of whichever format), a model's config, or the claims of a document.
        asked: what an adapter's config asks.
    """

    kind: Literal["adapter", "config", "claims"]
    asked: Asked | None = None


def parts_of(document: Document) -> Iterator[Part]:
    """What there is to check in a file.

    Raises:
        ConfigError: it is one that is checked, and cannot be read.
    """
    if document.suffix in DOCUMENTS:
        if "hfkv" in document.text:
            yield Part(kind="claims")
    elif document.suffix == ".json":
        yield from _json(document)
    elif document.suffix in (".yaml", ".yml") and _worth_parsing(document.text):
        try:
            values = document.yaml()
        except ConfigError:
            # Templates and other programs' YAML are not ours to judge, unless they set up LoRA.
            if any(word in document.text for word in _KEYS):
                raise
            return
        for number, value in enumerate(values):
            if isinstance(value, Mapping):
                for asked in training_of(value, (number,), document.text):
                    yield Part(kind="adapter", asked=asked)


#: Keys by which a file is told as a training config even where it cannot be parsed.
_KEYS = ("lora_r:", "lora_rank:", "lora_target", "lora_attn_modules:", "target_modules:")


def _worth_parsing(text: str) -> bool:
    # Parsing YAML costs far more than looking for the words that every such config has.
    lower = text.lower()
    return any(word in lower for word in _WORDS)


def _json(document: Document) -> Iterator[Part]:
    text, name = document.text, document.file.name
    ours = name in OURS
    if not ours and not any(word in text for word in ('"peft_type"', '"model_type"', *_WORDS)):
        return
    try:
        value = document.json()
    except ConfigError:
        if ours:
            raise
        return
    if is_adapter(value):
        asked = adapter_of(value)
        if asked is not None:
            yield Part(kind="adapter", asked=asked)
    elif name == "adapter_config.json":
        raise ConfigError(
            "there is no peft_type", where=document.path, expected="a config that PEFT wrote"
        )
    elif _is_config(value, name):
        yield Part(kind="config")
    else:
        for asked in training_of(value, (), document.text):
            yield Part(kind="adapter", asked=asked)


def _is_config(value: Mapping[str, Any], name: str) -> bool:
    if not isinstance(value.get("model_type"), str):
        return False
    return name == "config.json" or (
        isinstance(value.get("architectures"), list) and len(_CONFIG_KEYS & value.keys()) > 2
    )
