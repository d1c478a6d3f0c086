"""LoRA: the adapter that PEFT would make on the class that transformers builds."""

from hfkv.peft.lora.count import Lora, Target, lora
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.repository import adapter

__all__ = ["Lora", "LoraOptions", "Target", "adapter", "lora"]
