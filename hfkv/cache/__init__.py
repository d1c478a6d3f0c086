"""The KV cache: kinds of layers, plans of architectures, what a library stores, and its size."""

from hfkv.cache.conventions import CacheTensor, Layer
from hfkv.cache.curve import Curve
from hfkv.cache.plan import Plan
from hfkv.cache.registry import ROWS, Row, plan
from hfkv.cache.size import KVCache, kv_cache

__all__ = ["ROWS", "CacheTensor", "Curve", "KVCache", "Layer", "Plan", "Row", "kv_cache", "plan"]
