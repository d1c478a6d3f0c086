"""What a GGUF header says, in the terms of everything else: a config and published names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import HfkvError
from hfkv.facts.gguf_config import config_of
from hfkv.facts.gguf_names import named, published
from hfkv.reading import describe, printable
from hfkv.tensors import TensorTable

__all__ = ["Interpreted", "interpret"]

#: Architectures whose files never carry the window that some of their models slide over.
_NO_WINDOW = frozenset(
    ["llama", "mistral3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "smollm3", "starcoder2"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreted:
    """A GGUF header, read.

    Attributes:
        config: the repository's own, or the one that is made from the header's keys; None where
            none can be.
        derived: how the config was made of the header's keys; "" for the repository's own.
        tensors: under published names where those are known, else under their names in the file.
        unnamed: why the published names are not known, or "".
        missing: why there is no config, or "".
    """

    config: Mapping[str, Any] | None
    derived: str
    tensors: TensorTable | None
    unnamed: str
    missing: str


def interpret(
    metadata: Mapping[str, Any],
    tensors: TensorTable | None,
    own: Mapping[str, Any] | None,
    *,
    where: str,
) -> Interpreted:
    """Read a header's keys and names.

    Args:
        metadata: the header's keys.
        tensors: by their names in the file.
        own: the repository's ``config.json``, which comes before the header where there is one.
        where: the model, for messages.
    """
    table = TensorTable(()) if tensors is None else tensors
    kind = metadata.get("general.type", "model")
    derived: dict[str, Any] | None = None
    missing = ""
    if kind != "model":
        missing = f"the GGUF file holds {describe(kind)}, not a model"
    else:
        try:
            names = frozenset(tensor.name for tensor in table)
            derived = config_of(metadata, names, where=where)
        except HfkvError as error:
            # Without the model's name, which whoever shows the reason puts before it.
            place = error.where.removeprefix(where).removeprefix(": ")
            missing = "no config can be made from the GGUF header: " + ": ".join(
                part for part in (place, error.what) if part
            )
            if error.expected:
                missing += f"; expected {error.expected}"
    architecture = printable(str(metadata.get("general.architecture")), 40)
    made, unnamed = _names(tensors, architecture, own, derived)
    return Interpreted(
        config=derived if own is None else own,
        derived=_derived(architecture, derived) if own is None and derived else "",
        tensors=made,
        unnamed=unnamed,
        missing=missing,
    )


def _names(
    tensors: TensorTable | None,
    architecture: str,
    own: Mapping[str, Any] | None,
    derived: Mapping[str, Any] | None,
) -> tuple[TensorTable | None, str]:
    """The table under published names, and why they are not those of the model or not known."""
    if tensors is None:
        return None, ""
    types = [config.get("model_type") for config in (own, derived) if config is not None]
    known = next((item for item in types if isinstance(item, str) and item in named()), None)
    if known is None:
        return tensors, (
            f"the published names of the GGUF architecture '{architecture}' are not known here"
        )
    made, unknown = published(tensors, known, derived or own or {})
    if unknown:
        return made, (
            f"{len(unknown)} of the GGUF's matrices have no published name here, such as "
            f"{printable(unknown[0])}"
        )
    if known != types[0]:
        # Good enough a witness for heads and layers, but not the layers of that class.
        return made, (
            f"the GGUF holds a {known}, and config.json describes {describe(types[0])}, which may "
            "have more layers than the file"
        )
    return made, ""


def _derived(architecture: str, config: Mapping[str, Any]) -> str:
    text = (
        f"there is no config.json: the config is read off the GGUF's keys, as {architecture} is "
        f"written for model_type {config['model_type']}"
    )
    if architecture in _NO_WINDOW and not config.get("sliding_window"):
        text += (
            "; such files carry no sliding window, so every layer is counted in full, as llama.cpp "
            "runs it"
        )
    return text
