"""One model: :mod:`~hfkv.model.loading` reads it, :mod:`~hfkv.model.figures` computes from it."""

from hfkv.model.figures import Model
from hfkv.model.loading import ModelLike, aload, aload_many, load, load_many

__all__ = ["Model", "ModelLike", "aload", "aload_many", "load", "load_many"]
