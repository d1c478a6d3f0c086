"""Names of modules that are a slip of a finger away from one that models have, and are no model's:
what can be told without knowing the base."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["misspelt"]

_COMMON = (
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "out_proj",
    "in_proj", "qkv_proj", "c_attn", "c_proj", "query_key_value", "dense_h_to_4h",
    "dense_4h_to_h", "gate_up_proj", "lm_head", "embed_tokens", "attn_qkv",
)  # fmt: skip


@lru_cache(maxsize=256)
def misspelt(name: str) -> str:
    """The common name that this one surely was meant to be; "" where it may be right.

    Only two letters that changed places, one that is twice, or one that is missing within: another
    letter makes another name, and models have many.

    >>> misspelt("q_porj"), misspelt("v_prooj"), misspelt("z_proj"), misspelt("q_proj")
    ('q_proj', 'v_proj', '', '')
    """
    last = name.rpartition(".")[2]
    if last in _COMMON or len(last) < 5:
        return ""
    for common in _COMMON:
        if common in _slips_of(last) or last in _slips_of(common):
            return common
    return ""


def _slips_of(word: str) -> set[str]:
    """What a word becomes by two neighbours that change places, or one letter less, within one of
    its longer parts."""
    parts = word.split("_")
    found = set()
    for number, part in enumerate(parts):
        if len(part) < 4:
            continue
        for place in range(len(part)):
            swapped = part[:place] + part[place + 1 : place + 2] + part[place]
            for other in (swapped + part[place + 2 :], part[:place] + part[place + 1 :]):
                found.add("_".join((*parts[:number], other, *parts[number + 1 :])))
    return found - {word}
