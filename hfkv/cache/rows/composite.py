"""Composite models: a text decoder with towers for images, sound or video around it.

What a tower makes of an image or a sound takes up tokens like any other, and the towers keep
nothing; so the cache is the decoder's, by the type of its nested config.
"""

from __future__ import annotations

from hfkv.cache.row import TEXT, Row, table

__all__ = ["ROWS"]


ROWS: dict[str, Row] = table(
    # Of most others the generator found that theirs is the same (``hfkv/data/adopted.json``).
    ("llava fast_vlm inkling2_loop", Row(inner=TEXT)),
    (
        "qwen2_5_omni qwen3_omni_moe",
        Row(
            inner=TEXT,
            note="this is the thinker's cache; while it speaks, the talker holds one of its own",
        ),
    ),
    (
        "voxtral_realtime",
        Row(inner=TEXT, note="while it listens, the audio encoder holds a cache of its own"),
    ),
    # The prefix that its vision-language model reads. Its action expert attends to that and cuts
    # off what it wrote itself after each step (``modeling_pi0.py``, ``sample_actions``).
    ("pi0", Row(inner="vlm_config")),
)
