"""What serving engines allocate: each engine is a value of its own options.

``model.kv_cache(tokens=..., engine=Vllm(tensor_parallel_size=2))`` answers with an
:class:`Allocation`: named buffers on each GPU, what they hold and what is reserved beside it. An
engine's module is imported when its name is first used.

>>> from hfkv.engines import Vllm
>>> Vllm(kv_cache_dtype="fp8").name
'vllm'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hfkv.errors import InputError

if TYPE_CHECKING:
    from hfkv.engines.base import Allocation, Assumption, Buffer, Engine, Fit, Planner
    from hfkv.engines.budget import Budget
    from hfkv.engines.llamacpp import LlamaCpp
    from hfkv.engines.mlx import Mlx
    from hfkv.engines.sglang import Sglang
    from hfkv.engines.transformers import TransformersCache
    from hfkv.engines.vllm import Vllm

__all__ = [
    "ENGINES",
    "Allocation",
    "Assumption",
    "Budget",
    "Buffer",
    "Engine",
    "Fit",
    "LlamaCpp",
    "Mlx",
    "Planner",
    "Sglang",
    "TransformersCache",
    "Vllm",
    "engine_class",
]

#: The engines by the name that ``--engine`` takes, in the order of tables.
ENGINES: dict[str, tuple[str, str]] = {
    "transformers": ("hfkv.engines.transformers", "TransformersCache"),
    "vllm": ("hfkv.engines.vllm", "Vllm"),
    "sglang": ("hfkv.engines.sglang", "Sglang"),
    "llama.cpp": ("hfkv.engines.llamacpp", "LlamaCpp"),
    "mlx": ("hfkv.engines.mlx", "Mlx"),
}

_HOMES = {
    **{cls: home for home, cls in ENGINES.values()},
    **dict.fromkeys(
        ("Allocation", "Assumption", "Buffer", "Engine", "Fit", "Planner"), "hfkv.engines.base"
    ),
    "Budget": "hfkv.engines.budget",
}


def engine_class(name: str) -> type[Engine]:
    """The class of an engine's options, by the name that ``--engine`` takes.

    Raises:
        InputError: there is no such engine.
    """
    if name not in ENGINES:
        raise InputError(
            f"unknown engine {name!r}", where="--engine", expected="one of " + ", ".join(ENGINES)
        )
    home, cls = ENGINES[name]
    found: type[Engine] = getattr(import_module(home), cls)
    return found


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
