"""Which model a config is of: ``model_type``, ``architectures`` and ``auto_map`` can say three.

transformers goes by ``model_type`` where it may run no code of the repository's; engines and remote
code go by the class that is named. Where these are two models, that is said, and nothing of it is
*exact*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.facts.classes import ConfigClass, config_class, known_types, type_of_architecture
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["CONTRADICTS", "Claim", "claim", "identified"]

#: How what is said of such a config begins.
CONTRADICTS = "config.json contradicts itself"
#: What classes of transformers are called after the name of their model.
_HEAD = re.compile(
    r"(?:Text|Vision|Audio)?(?:WithLMHead|DoubleHeads|LMHead|Pre[Tt]rained|Encoder|Decoder)?Model$"
    r"|(?:Text)?For(?:Causal|Masked|PreTraining|Conditional|Sequence|Token|Question|Multiple|Next"
    r"|Image|Audio|Text|Speech|Vision|Object|Retrieval|Visual|CTC|Universal|XVector|Embedding"
    r"|Multimodal)(?:LM|Generation|Classification|Answering(?:Simple)?|Choice|SentencePrediction"
    r"|ToImage|TextToText|ToText|Seq2Seq|FrameClassification|Segmentation|Detection|Retrieval)?$"
    r"|(?:Decoder)?$"
)
#: Entries of ``auto_map`` for what generates text.
_AUTO = re.compile(
    r"Auto(?:Config$|Model$|ModelFor(?:CausalLM|Seq2SeqLM|ImageTextToText|Vision2Seq"
    r"|MultimodalLM))"
)
_CONFIG = re.compile(r"(?:Text|Vision|Audio)?Config$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A config that names another class than that of its ``model_type``.

    Attributes:
        named: the class's name.
        place: where it stands: ``architectures`` or ``auto_map``.
        model_type: the type of that class, where it is one that is known here; else None.
        stated: the file's ``model_type``.
    """

    named: str
    place: str
    model_type: str | None
    stated: str

    @property
    def _said(self) -> str:
        return (
            f"{CONTRADICTS}: model_type is {printable(self.stated)}, but "
            f"{self.place} names {printable(self.named)}"
        )

    @property
    def alone(self) -> str:
        """The same where the header is not of the class of ``model_type`` either."""
        return (
            f"{self._said}, a class that nobody knows here, and the weights are not those of the "
            f"class of {printable(self.stated)}: what is counted is read off their names and shapes"
        )

    @property
    def told(self) -> str:
        """One sentence for the reader."""
        said = self._said
        if self.model_type is None:
            return (
                f"{said}, which is no class of {printable(self.stated)}: these are the figures of "
                f"{printable(self.stated)}, as transformers loads it without running code"
            )
        return (
            f"{said}: these are the figures of {self.model_type}; transformers without the "
            f"repository's code goes by {printable(self.stated)}"
        )


def claim(raw: Mapping[str, Any]) -> Claim | None:
    """What the file names beside its type, where that is another model; None where it is not."""
    stated = raw.get("model_type")
    if not isinstance(stated, str) or not stated:
        return None
    cls = config_class(stated)
    if cls is None and stated not in _remote():
        return None  # whose model it is nobody knows in any case
    own = {_plain(stated)} if cls is None else _stems(cls)
    architectures = _listed(raw.get("architectures"))
    if any(cls is not None and name in cls.architectures for name in architectures[:1]):
        # The very class that transformers builds; remote code of that name is an older form of it.
        places = [("auto_map", name) for name in _mapped(raw.get("auto_map"))]
    else:
        places = [("architectures", name) for name in architectures[:1]]
        places += [("auto_map", name) for name in _mapped(raw.get("auto_map"))]
    for place, name in places:
        stem = _stem(name)
        if stem in own or (not stem and place == "auto_map"):
            continue
        found = type_of_architecture(name) or _types().get(stem)
        # Remote code often bears the name of a class that it was made from: only another one that
        # has its own type, and no class in transformers either, is another model.
        if found == stated or (cls is None and found not in _remote()):
            continue
        return Claim(named=name, place=place, model_type=found, stated=stated)
    return None


def _listed(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _mapped(value: object) -> Iterator[str]:
    """Names of classes in ``auto_map``: ``modeling_x.XForCausalLM``, with a repository before."""
    if not isinstance(value, Mapping):
        return
    for key, place in value.items():
        if isinstance(key, str) and _AUTO.match(key) and isinstance(place, str):
            yield place.rpartition(".")[2]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _stem(name: str) -> str:
    """A class's name without what it is for, in small letters.

    >>> _stem("LlamaForSequenceClassification"), _stem("InternLM2Config"), _stem("GPT2LMHeadModel")
    ('llama', 'internlm2', 'gpt2')
    >>> _stem("LlamaForCausalLMEagle3")
    'llamaforcausallmeagle3'
    """
    return _plain(_CONFIG.sub("", name) if name.endswith("Config") else _HEAD.sub("", name, 1))


def _stems(cls: ConfigClass) -> set[str]:
    """The names that classes of a type begin with."""
    return {_stem(name) for name in (*cls.architectures, cls.name)} | {_plain(cls.model_type)}


@lru_cache(maxsize=1)
def _remote() -> frozenset[str]:
    """Types that only repositories with code of their own have, and a row here."""
    families: Mapping[str, str] = read_json("cache_rows.json")
    return frozenset(families.keys() - known_types().keys())


@lru_cache(maxsize=1)
def _types() -> Mapping[str, str]:
    return {_plain(name): name for name in (*_remote(), *known_types())}


def identified(raw: Mapping[str, Any], *, where: str) -> tuple[Config, Claim | None]:
    """The reader of a config as one of the class that it names, and what it contradicts itself in.

    Raises:
        ConfigError, UnsupportedError: as :class:`hfkv.facts.config.Config`.
    """
    found = claim(raw)
    if found is None or found.model_type is None:
        return Config(raw, where=where), found
    return Config(raw, where=where, model_type=found.model_type), found
