"""The layers that a model drafts tokens with itself (MTP), as vLLM builds them.

vLLM 0.33.0: ``config/speculative.py`` (which models have them), their ``..._mtp.py``.
"""

from __future__ import annotations

from hfkv.cache.kinds import Compressed, Full, Indexer, Kind, Latent, Sliding
from hfkv.data import read_json
from hfkv.engines.subject import Subject
from hfkv.engines.vllm.layers import flat
from hfkv.errors import UnsupportedError
from hfkv.reading import printable

__all__ = ["draft_kinds"]


def draft_kinds(subject: Subject) -> list[Kind]:
    """The kinds of the drafting layers.

    Raises:
        UnsupportedError: vLLM does not draft with this model, or its layers are not known.
    """
    rules = read_json("engines", "vllm.json")["drafts"]
    rule = next((rules[name] for name in subject.architectures if name in rules), None)
    if rule is None:
        named = printable(subject.architectures[0])
        raise UnsupportedError(
            f"vLLM has no MTP for {named}, or its layers are not known",
            where=subject.model,
            expected="0 speculative tokens",
        )
    count = rule.get("layers")
    if count is None:
        said = subject.text.peek(rule["key"])
        count = said if isinstance(said, int) and not isinstance(said, bool) else 1
        if count < 1:
            raise UnsupportedError(
                f"{rule['key']} is {count}: the model has no drafting layer", where=subject.model
            )
    return [_kind(subject, rule["kind"])] * count


def _kind(subject: Subject, which: str) -> Kind:
    """The last layer of the model that is of such a kind."""
    wanted = {
        "full": (Full,),
        "sliding": (Sliding,),
        "latent": (Latent,),
        "indexed": (Indexer,),
        "window": (Compressed,),
    }[which]
    for kind in reversed(subject.plan.kinds):
        for part in flat(kind):
            if isinstance(part, wanted):
                if isinstance(part, Compressed):
                    return Compressed(window=part.window, rate=1, dim=part.dim)
                return kind if which == "indexed" else part
    raise UnsupportedError(f"the model has no layer of kind {which}", where=subject.model)
