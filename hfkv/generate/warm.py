"""Import once what the parts of a step need, before a process is forked for each of them.

The libraries import most of themselves when the first model is built and the first adapter put on
it: some five seconds, more than many a part takes, and ``all`` makes some 2,500 parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

__all__ = ["warm"]

_SMALL = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 32,
}


def warm(modules: Iterable[str]) -> None:
    """Import the modules, and do once what their parts do with each model."""
    from hfkv.live.build import build, config_of
    from hfkv.live.filled_cache import read_cache, run
    from hfkv.live.lora import live_lora

    for name in modules:
        import_module(name)
    read_cache(run(build(config_of(dict(_SMALL))), 3))
    live_lora(dict(_SMALL), {"r": 1, "target_modules": "all-linear"})
