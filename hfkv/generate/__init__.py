"""Scripts that write ``hfkv/data`` from the pinned transformers and PEFT.

Run as ``python -m hfkv.generate NAME``; not part of the wheel. Tests regenerate and compare.
"""
