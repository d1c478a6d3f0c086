"""Record what bitsandbytes keeps: ``python -m tests.training.record`` where it is installed.

Its optimizers and its 4-bit weights run on the CPU; the numbers are those of its own tensors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHAPES: list[tuple[int, ...]] = [
    (1,),
    (7,),
    (16, 33),
    (16, 256),
    (16, 255),
    (64, 65),
    (3, 4, 5),
    (128, 300),
]
BITSANDBYTES = {
    "adamw8bit": "AdamW8bit",
    "paged": "PagedAdamW",
    "paged8bit": "PagedAdamW8bit",
    "lion": "Lion",
    "lion8bit": "Lion8bit",
}
WEIGHTS = [(64, 64), (300, 200), (33, 65), (1024, 64), (4096, 1100)]
TARGET = Path(__file__).parent / "bitsandbytes.json"


def kept(optimizer: Any, parameters: list[Any]) -> int:
    """Bytes of the tensors in an optimizer's state after a step, each tensor once."""
    import torch

    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return _bytes(
        value for parameter in parameters for value in optimizer.state[parameter].values()
    )


def _bytes(values: Any) -> int:
    tensors = {value.data_ptr(): value for value in values if hasattr(value, "data_ptr")}
    return sum(value.numel() * value.element_size() for value in tensors.values())


def main() -> None:
    """Write the file."""
    import bitsandbytes
    import torch
    from bitsandbytes import functional

    states: dict[str, Any] = {}
    together: dict[str, int] = {}
    for name, cls in BITSANDBYTES.items():

        def measured(shapes: list[tuple[int, ...]], cls: str = cls) -> int:
            made = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
            return kept(getattr(bitsandbytes.optim, cls)(made, lr=1e-3), made)

        states[name] = [[list(shape), measured([shape])] for shape in SHAPES]
        together[name] = measured(SHAPES)
    four, eight = [], []
    for shape in WEIGHTS:
        packed, state = functional.quantize_4bit(
            torch.randn(shape), blocksize=64, compress_statistics=True, quant_type="nf4"
        )
        inner = state.state2
        held = (packed, state.absmax, state.code, state.offset, inner.absmax, inner.code)
        four.append([list(shape), _bytes(held)])
        values, scales, _ = functional.int8_vectorwise_quant(torch.randn(shape).half())
        eight.append([list(shape), _bytes((values, scales))])
    recorded = {
        "version": bitsandbytes.__version__,
        "states": states,
        "together": together,
        "nf4": four,
        "int8": eight,
    }
    TARGET.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
