"""A file that states its layers where its class does not look.

The class then silently takes its own default, and so would a plan. Agreeing with it is not being
right: the weights decide, and without them the answer is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config, Read
from hfkv.reading import printable
from hfkv.tensors import TensorTable

__all__ = ["check_misplaced"]

#: What files call the number of layers.
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
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
    config: Config, reads: Iterable[Read], tensors: TensorTable | None, *, insisted: bool
) -> tuple[str, ...]:
    """Compare a layer count that the class filled in with those stated elsewhere in the file.

    Args:
        config: the whole config.
        reads: what the plan has read.
        tensors: the checkpoint, if it could be read; it witnesses as many layers as it shows.
        insisted: whether the user wants the class's default all the same.

    Returns:
        A note where there is such a count, but it is witnessed.

    Raises:
        UnsupportedError: there is one, and nothing witnesses the class's default.
    """
    filled = [
        read
        for read in reads
        if read.key.split(".")[-1] in _COUNTS and read.origin == "class default"
    ]
    if not filled:
        return ()
    for place, value in _stated(config.raw):
        if value == filled[0].value:
            continue
        message = (
            f"{printable(place)} is {value}, but the class of {printable(config.model_type)} looks "
            f"for {printable(filled[0].key)} and takes its default, {filled[0].value}"
        )
        if insisted or _shows(tensors, filled[0].value):
            return (message,)
        raise UnsupportedError(
            message,
            where=f"{config.where}: config.json",
            expected=f"the layers under {printable(filled[0].key)}, or weights that show them",
            hint="--no-crosscheck insists on the class's default",
        )
    return ()


def _shows(tensors: TensorTable | None, layers: int) -> bool:
    """Whether some weight is there once for each of so many layers."""
    if tensors is None:
        return False
    return any(
        pattern.count("{}") == 1 and len(indices) == layers
        for pattern, _, _, indices in tensors.patterns()
    )


def _stated(raw: Mapping[str, Any], path: str = "", depth: int = 3) -> Iterator[tuple[str, int]]:
    """Every layer count of the file's decoder, wherever it stands."""
    for key in _COUNTS:
        value = raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            yield f"{path}{key}", value
    for key in _PLACES:
        inner = raw.get(key)
        if isinstance(inner, Mapping) and depth:
            yield from _stated(inner, f"{path}{key}.", depth - 1)
