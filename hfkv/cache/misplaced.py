"""A file that states its geometry where its class does not look.

The class then silently takes its own default, and so would a plan. Agreeing with it is not being
right: the weights decide, and without them the answer is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config, Read
from hfkv.reading import describe, printable
from hfkv.tensors import TensorTable

__all__ = ["check_misplaced"]

#: What files call the number of layers.
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
#: What else of a decoder is read under the same name wherever it stands.
_SIZES = ("num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size")
#: What decides which layers slide.
_KINDS = ("layer_types", "sliding_window")
#: What files call the nested config of the text decoder.
_PLACES = (
    "text_config",
    "llm_config",
    "language_config",
    "language_model_config",
    "lm_config",
    "decoder_config",
    "thinker_config",
    "model_config",
)


def check_misplaced(
    config: Config,
    raw: Mapping[str, Any],
    reads: Iterable[Read],
    tensors: TensorTable | None,
    *,
    insisted: bool,
) -> tuple[str, ...]:
    """Compare what the class filled in with what the file states elsewhere.

    Args:
        config: the whole config.
        raw: the file that it was read from.
        reads: what the plan has read.
        tensors: the checkpoint, if it could be read: the plan agrees with what it shows.
        insisted: whether the user wants the class's default all the same.

    Returns:
        A note where something is stated elsewhere, but the class's default is witnessed.

    Raises:
        UnsupportedError: something is, and nothing witnesses the default.
    """
    stated = list(_stated(raw))
    text = config.text()
    for key in _KINDS if text is not config else ():
        # What decides the kinds of layers counts even where the class's default never looks at it.
        value = raw.get(key)
        if value is None or text.has(key) or key in (config.cls.defaults if config.cls else ()):
            continue
        reads = (*reads, Read(key=f"{text.path}{key}", value=text.get(key), origin="class default"))
        stated.append((key, key, value))
    for read in reads:
        if read.origin != "class default":
            continue
        name = read.key.split(".")[-1]
        names = _COUNTS if name in _COUNTS else (name,) if name in (*_SIZES, *_KINDS) else ()
        for place, key, value in stated:
            if key not in names or value == read.value or place == read.key:
                continue
            message = (
                f"{printable(place)} is {_shown(value)}, but the class of "
                f"{printable(config.model_type)} looks for {printable(read.key)} and takes its "
                f"default, {_shown(read.value)}"
            )
            if insisted or _witnessed(tensors, read.value if name in _COUNTS else None):
                return (message,)
            raise UnsupportedError(
                message,
                where=f"{config.where}: config.json",
                expected=f"{printable(read.key)}, or weights that show it",
                hint="`crosscheck=False` insists on the class's default",
            )
    return ()


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int) else describe(value)


def _witnessed(tensors: TensorTable | None, layers: int | None) -> bool:
    """Whether some weight is there once for each of so many layers; other sizes than layers have
    been compared with the weights' shapes before."""
    if tensors is None or layers is None:
        return tensors is not None
    return any(
        pattern.count("{}") == 1 and len(indices) == layers
        for pattern, _, _, indices in tensors.patterns()
    )


def _stated(
    raw: Mapping[str, Any], path: str = "", depth: int = 3
) -> Iterator[tuple[str, str, Any]]:
    """Every size of the file's decoder, wherever it stands: its path, key and value."""
    for key in (*_COUNTS, *_SIZES):
        value = raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            yield f"{path}{key}", key, value
    for key in _PLACES:
        inner = raw.get(key)
        if isinstance(inner, Mapping) and depth:
            yield from _stated(inner, f"{path}{key}.", depth - 1)
