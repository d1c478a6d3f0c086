"""The three ways of learning side by side, and what follows from them."""

from hfkv.comparison.side_by_side import Comparison, compare, compare_model

__all__ = ["Comparison", "compare", "compare_model"]
