"""Record what DeepSpeed holds: ``python -m tests.training.record_deepspeed`` where it is installed.

Three processes on the CPU train a small model whose first layer is frozen, in each stage of ZeRO;
the numbers are the bytes of DeepSpeed's own tensors on the first of them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

#: (out, in) of a frozen layer, and the shapes that are trained.
FROZEN = (17, 33)
TRAINED = [(5, 17), (3, 5), (3,)]
GPUS = 3
TARGET = Path(__file__).parent / "deepspeed.json"


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _run(rank: int, stage: int, file: str) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(GPUS),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(29600 + stage),
        DS_ACCELERATOR="cpu",
    )
    import deepspeed
    import torch

    # Its own collective would be compiled first.
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None  # type: ignore[attr-defined]
    deepspeed.init_distributed(dist_backend="gloo", verbose=False)
    layers = [
        torch.nn.Linear(33, 17, bias=False),
        torch.nn.Linear(17, 5, bias=False),
        torch.nn.Linear(5, 3),
    ]
    model = torch.nn.Sequential(*layers)
    model[0].to(torch.bfloat16).weight.requires_grad = False
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "train_batch_size": GPUS,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": stage},
        "zero_allow_untested_optimizer": True,
    }
    engine, optimizer, _, _ = deepspeed.initialize(
        model=model, optimizer=torch.optim.AdamW(trained, lr=1e-3), config=config
    )
    engine.backward(engine(torch.randn(1, 33, dtype=torch.bfloat16)).float().pow(2).sum())
    if stage == 3:
        gradients = _bytes([optimizer.grad_partitions_flat_buffer])
    else:
        gradients = _bytes(optimizer.averaged_gradients[0])
    engine.step()
    states = optimizer.optimizer.state.values()
    found = {
        "gradients": gradients,
        "optimizer": _bytes(v for state in states for v in state.values() if hasattr(v, "numel")),
    }
    first, *rest = model.parameters()
    if stage == 3:
        found["master"] = _bytes(optimizer.fp32_partitioned_groups_flat)
        found["weights"] = _bytes([first, first.ds_tensor])
        found["adapter"] = _bytes([*rest, *(parameter.ds_tensor for parameter in rest)])
    else:
        found["master"] = _bytes(optimizer.single_partition_of_fp32_groups)
        found["weights"] = _bytes([first])
        found["adapter"] = _bytes(optimizer.bit16_groups_flat)
    if rank == 0:
        Path(file).write_text(json.dumps(found), encoding="utf-8")


def main() -> None:
    """Write the file."""
    import deepspeed
    import torch.multiprocessing as processes

    recorded: dict[str, Any] = {"version": deepspeed.__version__}
    for stage in (1, 2, 3):
        part = TARGET.with_suffix(f".{stage}")
        processes.spawn(_run, args=(stage, str(part)), nprocs=GPUS)
        recorded[f"zero{stage}"] = json.loads(part.read_text(encoding="utf-8"))
        part.unlink()
    TARGET.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
