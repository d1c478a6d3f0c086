"""What training an adapter takes: weights, gradients, optimizer states, and what is estimated.

- :mod:`~hfkv.training.loaded`: the base model as it is loaded, parameter by parameter;
- :mod:`~hfkv.training.optimizers`: what an optimizer keeps for one tensor;
- :mod:`~hfkv.training.strategies`: what one of several GPUs holds;
- :mod:`~hfkv.training.activations`: an estimate of what the backward pass needs;
- :mod:`~hfkv.training.disk`: the file that ``save_pretrained`` writes;
- :mod:`~hfkv.training.memory`: all of it together.
"""

from hfkv.training.memory import Part, Training, training

__all__ = ["Part", "Training", "training"]
