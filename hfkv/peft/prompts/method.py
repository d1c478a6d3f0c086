"""The row of cartridges, prefixes and soft prompts among PEFT's methods."""

from hfkv.peft.prompts.adapter import agree, count
from hfkv.peft.prompts.options import PromptOptions

__all__ = ["agree", "count", "read"]

read = PromptOptions.from_config
