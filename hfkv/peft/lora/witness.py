"""An adapter's own file as a witness of what its config makes."""

from __future__ import annotations

from dataclasses import replace

from hfkv.errors import CrosscheckError
from hfkv.modules.built import target_name
from hfkv.peft.lora.adapter import Lora
from hfkv.reading import printable
from hfkv.tensors import TensorTable

__all__ = ["agree"]

#: Parts of a low-rank adapter in a file, after the module's name.
_PARTS = (
    ".lora_A",
    ".lora_B",
    ".lora_embedding_A",
    ".lora_embedding_B",
    ".lora_magnitude_vector",
    ".lora_diag",
)


def agree(figure: Lora, witness: TensorTable) -> Lora:
    """The adapter, compared with the header of its own file.

    Raises:
        CrosscheckError: the header holds another number of low-rank parameters.
    """
    found = _low_rank(witness)
    counted = sum(figure.per_target.values()) + figure.frozen
    stored = sum(found.values())
    if stored != counted:
        raise CrosscheckError(
            f"its header holds {stored:,} low-rank parameters, and its config makes {counted:,} "
            f"on {printable(figure.model)}: {_difference(figure.per_target, found)}",
            where="adapter",
            expected="an adapter made by the pinned PEFT on this base model",
            hint="an adapter saved by older libraries can hold experts one by one",
        )
    disk = witness.parameters
    note = f"its own header agrees: {stored:,} low-rank parameters"
    if disk != figure.parameters:
        note += f"; on disk it has {disk:,} parameters, of which {figure.parameters:,} are trained"
    return replace(figure, notes=(*figure.notes, note))


def _low_rank(witness: TensorTable) -> dict[str, int]:
    found: dict[str, int] = {}
    for tensor in witness:
        for part in _PARTS:
            module, mark, _ = tensor.name.partition(part)
            if mark:
                name = target_name(module.replace(".base_layer", ""))
                found[name] = found.get(name, 0) + tensor.elements
                break
    return found


def _difference(counted: dict[str, int], stored: dict[str, int]) -> str:
    lines = [
        f"{printable(name)} {counted.get(name, 0):,} counted and {stored.get(name, 0):,} stored"
        for name in sorted({*counted, *stored})
        if counted.get(name, 0) != stored.get(name, 0)
    ]
    return "; ".join(lines[:6])
