"""The three ways of learning side by side, and what follows from them."""

from hfkv.comparison.figure import Comparison, compare, compare_model

__all__ = ["Comparison", "compare", "compare_model"]
