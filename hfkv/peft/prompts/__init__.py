"""PEFT's prompt learning: trained virtual tokens in place of trained layers."""

from hfkv.peft.prompts.adapter import Prompt, count
from hfkv.peft.prompts.options import PromptOptions

__all__ = ["Prompt", "PromptOptions", "count"]
