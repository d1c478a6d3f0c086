"""PEFT's prompt learning: trained virtual tokens in place of trained layers."""

from hfkv.peft.prompts.figure import Prompt, check_header, prompt
from hfkv.peft.prompts.options import METHODS, PromptOptions

__all__ = ["METHODS", "Prompt", "PromptOptions", "check_header", "prompt"]
