"""The codes of findings. A code never changes its meaning, and is never used again for another."""

from __future__ import annotations

__all__ = ["CODES", "selected"]

#: Code to what it says, in the order of the documentation.
CODES = {
    "HFKV001": "a file that is checked cannot be read",
    "HFKV002": "a model is not in hfkv.lock",
    "HFKV003": "the files of a model could not be had",
    "HFKV004": "hfkv.lock is damaged: edited by hand, or by a merge",
    "HFKV005": "nothing can check this honestly: an architecture or an option that is not counted",
    "HFKV006": "hfkv.lock is not up to date (hfkv lock --check)",
    "HFKV101": "the targets match nothing in the base model",
    "HFKV102": "one of the targets matches or adapts nothing in the base model",
    "HFKV103": "the rank exceeds a layer's smaller side",
    "HFKV104": "a pattern or an exclusion matches nothing",
    "HFKV105": "modules_to_save names a module that is not there",
    "HFKV106": "the adapter's own header disagrees with its config",
    "HFKV107": "a field has a value that cannot be used",
    "HFKV108": "PEFT itself refuses the combination",
    "HFKV109": "a layer or token number is outside the model",
    "HFKV110": "the config names no base model",
    "HFKV201": "a budget is exceeded",
    "HFKV202": "a budget cannot be computed",
    "HFKV301": "a claim is not what hfkv computes",
    "HFKV302": "a claim's marker cannot be read",
    "HFKV303": "a claim's figure cannot be computed",
    "HFKV401": "the KV cache of a config.json cannot be planned",
    "HFKV402": "a config.json is malformed or contradicts itself",
    "HFKV403": "the checkpoint's header disagrees with config.json",
}


def selected(code: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a code is named by one of these codes or beginnings of codes.

    >>> selected("HFKV101", ("HFKV1",)), selected("HFKV301", ("HFKV1", "HFKV201"))
    (True, False)
    """
    return any(prefix == "ALL" or code.startswith(prefix.upper()) for prefix in prefixes)
