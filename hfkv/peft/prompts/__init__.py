"""PEFT's prompt learning: trained virtual tokens in place of trained layers."""

from hfkv.peft.prompts.adapter import Prompt, agree, count
from hfkv.peft.prompts.options import PromptOptions

__all__ = ["Prompt", "PromptOptions", "agree", "count", "read"]

read = PromptOptions.from_config
