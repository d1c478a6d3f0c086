"""Methods whose tensors no layer's sizes alone make: copies of modules, token rows, prompts."""

from __future__ import annotations

from collections.abc import Iterable

from hfkv.errors import TargetError
from hfkv.peft.tuners.rule import BASE, Config, Knob, Part, Rule, Site, integer
from hfkv.reading import describe

__all__ = ["RULES"]


def _whole(config: Config, site: Site) -> Iterable[Part]:
    """LN tuning: the module is kept, and a copy of it is trained, whatever it is."""
    for name, shape in config["inside"][site.name].items():
        yield Part(name=f"ln_tuning_layers.{name}", shape=shape, dtype=BASE)


def _rows(config: Config, site: Site) -> Iterable[Part]:
    """Trainable tokens: rows of an embedding, or of a layer that is tied to it."""
    rows, width = site.module.parameters["weight"][:2]
    for index in config["token_indices"]:
        if not -rows <= index < rows:
            raise TargetError(f"token {index} is outside its {rows:,} rows")
    shape = (len(config["token_indices"]), width)
    # Layers that are tied to the embedding share its rows, and each writes them.
    key = "tied" if site.name in config["tied"] else None
    yield Part(name="trainable_tokens_delta", shape=shape, key=key)


def _prompts(config: Config, site: Site) -> Iterable[Part]:
    """Adaption prompts: tokens beside an attention, and a gate for them."""
    width = config["width"]
    yield Part(name="adaption_prompt", shape=(1, int(config["adapter_len"]), width), dtype=BASE)
    yield Part(name="adaption_gate", shape=(1,), dtype=BASE)


def _indices(name: str, value: object) -> tuple[int, ...]:
    if isinstance(value, (list, tuple)) and len(value) <= 10**6:
        found = tuple(value)
        if all(isinstance(item, int) and not isinstance(item, bool) for item in found):
            return found
    raise TargetError(f"found {describe(value)}", where=name, expected="token indices")


def _asked(config: Config) -> None:
    for name in ("adapter_len", "adapter_layers"):
        if config[name] is None:
            raise TargetError(f"adaption prompts need {name}")


RULES = {
    "LN_TUNING": Rule(parts=_whole, any_kind=True),
    "TRAINABLE_TOKENS": Rule(
        kinds=frozenset(["linear", "embedding"]),
        parts=_rows,
        reads={"token_indices": _indices},
        ignores="init_weights",
    ),
    "ADAPTION_PROMPT": Rule(
        parts=_prompts,
        any_kind=True,
        reads={"adapter_len": integer(none=True), "adapter_layers": integer(none=True)},
        check=_asked,
        knob=Knob(name="adapter_len"),
        defaults={"adapter_len": 10, "adapter_layers": 1},
    ),
}
