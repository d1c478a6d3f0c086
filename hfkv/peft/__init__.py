"""What PEFT makes of the modules that transformers builds.

From a config to a figure, whatever the method:

- :mod:`hfkv.peft.methods`: ``peft_type`` to the method that counts it, and what all figures have;
- :mod:`hfkv.peft.base`: the model that an adapter is put on;
- :mod:`hfkv.peft.targets` (with :mod:`~hfkv.peft.matching`): which modules a config chooses;
- :mod:`hfkv.peft.modules_to_save`, :mod:`hfkv.peft.tying`: modules trained whole, and tied layers;
- :mod:`hfkv.peft.beside`: biases and embeddings beside them;
- :mod:`hfkv.peft.unused` (with :mod:`~hfkv.peft.names`): what a config names in vain;
- :mod:`hfkv.peft.lora`, :mod:`hfkv.peft.prompts`, :mod:`hfkv.peft.tuners`: the methods themselves.
"""
