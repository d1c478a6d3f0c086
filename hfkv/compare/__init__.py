"""The three ways of learning side by side, and what follows from them."""

from hfkv.compare.comparison import Comparison, compare, compare_model

__all__ = ["Comparison", "compare", "compare_model"]
