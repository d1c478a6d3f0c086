"""Laws that every plan obeys, on the recorded configs and on random ones.

Where a curve falls (compressed caches give entries back), its plan says so with a bend there;
the inverses must be right all the same, so they are held against counting token by token.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.cache import KVCache, kv_cache, plan
from hfkv.comparison.breakeven import break_even
from hfkv.facts import Facts
from hfkv.facts.config import Config
from tests.census.goldens import load

GOLDENS = load()
#: Lengths to count up to: beyond every window that the random configs have.
FAR = 150


def figure(config: dict[str, Any], tokens: int = 1, **options: Any) -> KVCache:
    options.setdefault("dtype", "bf16")
    if plan(Config(config, where="test")).crosses:
        options.setdefault("encoder_tokens", 7)
    facts = Facts(model="test/model", source="directory", config=config)
    return kv_cache(facts, tokens=tokens, **options)


# Each law is one test that goes through all recordings: a test of its own for each would spend
# most of its time in fixtures.


def test_total_batch_width_and_slope() -> None:
    for golden in GOLDENS:
        _total_batch_width_and_slope(golden["config"])


def _total_batch_width_and_slope(config: dict[str, Any]) -> None:
    one = figure(config, 37)
    assert one.bytes == sum(layer.bytes for layer in one.layers)
    assert one.bytes == sum(tensor.bytes for layer in one.layers for tensor in layer.tensors)
    for tokens in (1, 37, 5000):
        alone = figure(config, tokens)
        many = figure(config, tokens, batch=7)
        assert many.bytes == 7 * alone.bytes
        assert many.bytes_per_token == 7 * alone.bytes_per_token
        assert alone.bytes_per_token == alone.curve.bytes(tokens + 1) - alone.bytes
        assert alone.average_bytes_per_token * tokens == alone.bytes
        assert many.average_bytes_per_token == alone.average_bytes_per_token
    assert one.constant_bytes == one.curve.bytes(0)


def test_an_element_type_changes_what_is_not_pinned_and_nothing_else() -> None:
    for golden in GOLDENS:
        _an_element_type_changes_what_is_not_pinned_and_nothing_else(golden["config"])


def _an_element_type_changes_what_is_not_pinned_and_nothing_else(config: dict[str, Any]) -> None:
    wide = figure(config, 300)
    pinned = {
        (layer.index, tensor.name)
        for dtype in ("fp16", "fp8")
        for layer in figure(config, 300, dtype=dtype).layers
        for tensor in layer.tensors
        if tensor.dtype not in ("F16", "F8_E4M3")
    }
    for dtype, bits in (("fp16", 16), ("fp32", 32), ("fp8", 8), ("int8", 8), ("int4", 4)):
        for mine, theirs in zip(wide.layers, figure(config, 300, dtype=dtype).layers, strict=True):
            for before, after in zip(mine.tensors, theirs.tensors, strict=True):
                assert before.shape == after.shape
                if (mine.index, before.name) in pinned:
                    assert after == before
                else:
                    assert after.bytes == -(-before.bytes * bits // 16)


def test_between_two_bends_more_tokens_never_need_fewer_bytes() -> None:
    for golden in GOLDENS:
        _between_two_bends_more_tokens_never_need_fewer_bytes(golden["config"])


def _between_two_bends_more_tokens_never_need_fewer_bytes(config: dict[str, Any]) -> None:
    curve = figure(config).curve
    if curve.period != 1:
        return  # it falls in waves, and says so; its inverses are held against counting below
    bends = [bend for bend in curve.bends if bend < 2**20]
    near = {n for bend in bends[:6] for n in (bend - 1, bend, bend + 1, bend + 2) if n > 0}
    lengths = sorted({*range(1, 20), 1000, 10_000, 100_000, *near})
    for shorter, longer in pairwise(lengths):
        if not any(shorter <= bend < longer for bend in bends):
            assert curve.bytes(shorter) <= curve.bytes(longer)


CONFIGS = st.one_of(
    st.fixed_dictionaries(
        {
            "model_type": st.just("gemma3_text"),
            "num_hidden_layers": st.integers(1, 7),
            "num_attention_heads": st.just(4),
            "num_key_value_heads": st.sampled_from([1, 2, 4]),
            "head_dim": st.integers(1, 4).map(lambda n: 2 * n),
            "sliding_window": st.integers(1, 60),
            "sliding_window_pattern": st.integers(1, 4),
        }
    ),
    st.fixed_dictionaries(
        {
            "model_type": st.just("mistral"),
            "num_hidden_layers": st.integers(1, 4),
            "num_attention_heads": st.just(4),
            "num_key_value_heads": st.just(2),
            "hidden_size": st.sampled_from([16, 32]),
            "sliding_window": st.one_of(st.none(), st.integers(1, 60)),
        }
    ),
    st.fixed_dictionaries(
        {
            "model_type": st.just("llama4_text"),
            "num_hidden_layers": st.integers(1, 9),
            "num_attention_heads": st.just(4),
            "num_key_value_heads": st.just(2),
            "head_dim": st.just(8),
            "attention_chunk_size": st.integers(1, 60),
        }
    ),
    st.fixed_dictionaries(
        {
            "model_type": st.just("qwen3_next"),
            "num_hidden_layers": st.integers(1, 9),
            "full_attention_interval": st.integers(1, 5),
            "linear_num_value_heads": st.just(4),
            "linear_num_key_heads": st.just(2),
            "linear_key_head_dim": st.integers(1, 9),
            "linear_value_head_dim": st.integers(1, 9),
        }
    ),
)


@settings(max_examples=60, deadline=None)
@given(CONFIGS, st.integers(0, 400), st.integers(1, 3))
def test_crossings_and_fits_are_those_of_counting(
    config: dict[str, Any], part: int, batch: int
) -> None:
    """Against every length up to ``FAR``: sizes that the cache reaches there, or never."""
    found = figure(config, batch=batch)
    sizes = [found.curve.bytes(tokens) for tokens in range(FAR + 1)]
    wanted = max(sizes[-1] * part // 350, 1)
    crossing = break_even(found, wanted)
    reached = [tokens for tokens in range(1, FAR + 1) if sizes[tokens] >= wanted]
    fits = found.curve.fit(wanted)
    over = [tokens for tokens in range(1, FAR + 1) if sizes[tokens] > wanted]
    if reached:
        assert crossing == reached[0]
    else:
        assert crossing is None or crossing > FAR
    if over:
        assert fits == over[0] - 1
    else:
        assert fits is None or fits >= FAR
    if crossing is not None:
        assert found.curve.bytes(crossing) >= wanted
        assert crossing == 1 or found.curve.bytes(crossing - 1) < wanted
