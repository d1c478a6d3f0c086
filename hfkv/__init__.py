"""hfkv: what a token leaves behind, for any model on the Hugging Face Hub.

Bytes of KV cache when it is read in context, bytes of LoRA adapter when it is fine-tuned on, bytes
of weights when it is pretrained on; exact, each with how it is known. From ``config.json``, the
safetensors headers and the model card alone: no weights are read and no repository code is run.

>>> import hfkv
>>> model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
>>> model.kv_cache(tokens=100_000).bytes
32768000000
>>> model.lora(r=32, target_modules="all-linear").parameters
414187520
>>> model.pretraining.tokens, model.pretraining.qualifier
(15000000000000, 'at_least')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hfkv.errors import (
    AddressError,
    ConfigError,
    CrosscheckError,
    GatedError,
    HeaderError,
    HfkvError,
    InputError,
    InputTypeError,
    MissingDependencyError,
    NetworkError,
    NotFoundError,
    RecordError,
    SourceError,
    TargetError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.comparison import Comparison, compare
    from hfkv.comparison.rank import Ranks, ranks
    from hfkv.comparison.rules import Assumed
    from hfkv.engines import Allocation, Budget, Fit, LlamaCpp, Mlx, Sglang, Vllm
    from hfkv.model import Model, aload, aload_many, load, load_many
    from hfkv.peft.lora import Lora, LoraOptions
    from hfkv.peft.prompts import Prompt
    from hfkv.pretraining import Pretraining
    from hfkv.render.chart import plot
    from hfkv.render.frame import to_frame
    from hfkv.surveys.api import survey

__version__ = "0.1.0"

#: Where each lazily imported public name lives (PEP 562): `import hfkv` costs next to nothing.
_HOMES = {
    "Allocation": "hfkv.engines",
    "Assumed": "hfkv.comparison.rules",
    "Budget": "hfkv.engines",
    "Comparison": "hfkv.comparison",
    "Fit": "hfkv.engines",
    "KVCache": "hfkv.cache",
    "LlamaCpp": "hfkv.engines",
    "Lora": "hfkv.peft.lora",
    "LoraOptions": "hfkv.peft.lora",
    "Mlx": "hfkv.engines",
    "Model": "hfkv.model",
    "Pretraining": "hfkv.pretraining",
    "Prompt": "hfkv.peft.prompts",
    "Ranks": "hfkv.comparison.rank",
    "Sglang": "hfkv.engines",
    "Vllm": "hfkv.engines",
    "aload": "hfkv.model",
    "aload_many": "hfkv.model",
    "compare": "hfkv.comparison",
    "load": "hfkv.model",
    "load_many": "hfkv.model",
    "plot": "hfkv.render.chart",
    "ranks": "hfkv.comparison.rank",
    "survey": "hfkv.surveys.api",
    "to_frame": "hfkv.render.frame",
}

__all__ = [
    "AddressError",
    "Allocation",
    "Assumed",
    "Budget",
    "Comparison",
    "ConfigError",
    "CrosscheckError",
    "Fit",
    "GatedError",
    "HeaderError",
    "HfkvError",
    "InputError",
    "InputTypeError",
    "KVCache",
    "LlamaCpp",
    "Lora",
    "LoraOptions",
    "MissingDependencyError",
    "Mlx",
    "Model",
    "NetworkError",
    "NotFoundError",
    "Pretraining",
    "Prompt",
    "Ranks",
    "RecordError",
    "Sglang",
    "SourceError",
    "TargetError",
    "UnsupportedError",
    "Vllm",
    "__version__",
    "aload",
    "aload_many",
    "compare",
    "load",
    "load_many",
    "plot",
    "ranks",
    "survey",
    "to_frame",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
