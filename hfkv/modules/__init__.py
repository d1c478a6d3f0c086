"""What transformers builds from a config and a checkpoint: modules by name, with their sizes.

:mod:`hfkv.modules.build` is the one way in, and a :class:`~hfkv.modules.built.Built` what comes
out. In between, for a class that the pinned transformers has:

- :mod:`~hfkv.modules.table`: its generated modules, sizes as :mod:`~hfkv.modules.expressions`;
- :mod:`~hfkv.modules.checkpoint`: these joined with a header, whose weights are
  :mod:`~hfkv.modules.packed` or not, whose names :mod:`~hfkv.modules.conversion` follows, and whose
  lost sizes :mod:`~hfkv.modules.geometry` restores;
- :mod:`~hfkv.modules.composites`, :mod:`~hfkv.modules.shared_blocks`, :mod:`~hfkv.modules.ties`:
  parts that are other models, layers that share weights, and what is tied to the embedding;
- :mod:`~hfkv.modules.class_plan`: the same from the config alone.

For remote code: a :mod:`~hfkv.modules.header` read as :mod:`~hfkv.modules.documented` by one of the
:mod:`~hfkv.modules.rules`, or :mod:`~hfkv.modules.inferred`.
"""
