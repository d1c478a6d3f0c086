"""LoRA's row among PEFT's methods."""

from hfkv.peft.lora.adapter import count
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.lora.witness import agree

__all__ = ["agree", "count", "read"]

read = LoraOptions.from_config
