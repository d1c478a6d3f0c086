"""The KV cache: kinds of layers, plans of architectures, and the figure they come to."""

from hfkv.cache.curve import Curve
from hfkv.cache.figure import KVCache, kv_cache
from hfkv.cache.plan import CacheTensor, Layer, Plan
from hfkv.cache.registry import ROWS, Row, plan

__all__ = ["ROWS", "CacheTensor", "Curve", "KVCache", "Layer", "Plan", "Row", "kv_cache", "plan"]
