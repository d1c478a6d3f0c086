"""LoRA: the adapter that PEFT would make on the class that transformers builds.

In the order in which a count goes through them:

- :mod:`~hfkv.peft.lora.options`, read by :mod:`~hfkv.peft.lora.fields`: what is asked;
- :mod:`~hfkv.peft.lora.inject`: the steps, which hand a :mod:`~hfkv.peft.lora.draft` on;
- :mod:`~hfkv.peft.lora.fused_experts`, :mod:`~hfkv.peft.lora.replication`: what comes first;
- :mod:`~hfkv.peft.lora.layers`, :mod:`~hfkv.peft.lora.variants`: one adapter;
- :mod:`~hfkv.peft.lora.token_rows`: rows of embeddings that are trained beside them;
- :mod:`~hfkv.peft.lora.adapter`: the figure, with its :mod:`~hfkv.peft.lora.notes` and its
  :mod:`~hfkv.peft.lora.rank_line`;
- :mod:`~hfkv.peft.lora.witness`: the figure against the adapter's own file.
"""

from hfkv.peft.lora.adapter import Lora, Target, count
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.witness import agree

__all__ = ["Lora", "LoraOptions", "Target", "agree", "count", "read"]

read = LoraOptions.from_config
