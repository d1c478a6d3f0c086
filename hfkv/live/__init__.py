"""The reference itself: models built by the installed transformers and PEFT on the meta device.

Needs the ``verify`` extra. Nothing on the everyday path imports this package; ``hfkv verify``,
``--basis live``, the generators and the oracle tests do. No weights are made and no code from a
repository is run: only classes that the installed libraries ship.
"""
