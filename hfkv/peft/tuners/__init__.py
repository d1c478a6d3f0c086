"""Every method of PEFT that adds tensors to chosen layers, beside LoRA.

- :mod:`~hfkv.peft.tuners.rule`: what a method is, as a value;
- :mod:`~hfkv.peft.tuners.factored`, :mod:`~hfkv.peft.tuners.turned`,
  :mod:`~hfkv.peft.tuners.shared`, :mod:`~hfkv.peft.tuners.sparse`: the methods;
- :mod:`~hfkv.peft.tuners.copied`: those that add no tensors to a layer by its sizes alone;
- :mod:`~hfkv.peft.tuners.options`: what is asked;
- :mod:`~hfkv.peft.tuners.inject`, with what it takes of the whole model
  (:mod:`~hfkv.peft.tuners.whole_model`): the tensors that it makes;
- :mod:`~hfkv.peft.tuners.adapter`: the figure, and the figure against the adapter's own file.
"""

from hfkv.peft.tuners.adapter import Tuner, agree, count
from hfkv.peft.tuners.options import TunerOptions

__all__ = ["Tuner", "TunerOptions", "agree", "count", "read"]

read = TunerOptions.from_config
