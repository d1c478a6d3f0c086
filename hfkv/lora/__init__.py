"""LoRA: the adapter that PEFT would make on the class that transformers builds."""

from hfkv.lora.adapter import adapter
from hfkv.lora.count import Lora, Target, lora
from hfkv.lora.options import LoraOptions

__all__ = ["Lora", "LoraOptions", "Target", "adapter", "lora"]
