"""llama.cpp: equal to what libllama itself allocates, or refused where it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.engines import LlamaCpp
from hfkv.engines.llamacpp_rows import DATA
from hfkv.errors import HfkvError, InputError, UnsupportedError
from tests.engines.rows import SMALL, read_rows, small_subject, subject

ROWS = read_rows("llamacpp_0c1e570.jsonl")
_FLASH = {0: "off", 1: "on", None: "auto"}


def engine_of(row: dict[str, Any], ctx: int) -> LlamaCpp:
    """The options of a row."""
    options = row["options"]
    return LlamaCpp(
        ctx=ctx,
        parallel=options.get("n_seq"),
        unified=options.get("unified", False),
        cache_type_k=options.get("ctk", "f16"),
        cache_type_v=options.get("ctv", "f16"),
        swa_full=options.get("swa_full", False),
        ubatch=options.get("ubatch", 512),
        flash_attn=_FLASH[options.get("fa")],
    )


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['variant']}")
def test_rows(row: dict[str, Any]) -> None:
    for result in row["results"]:
        engine = engine_of(row, result["n_ctx"])
        if "error" in result:
            with pytest.raises(HfkvError):
                engine.allocate(subject(row["model"]), tokens=1)
            continue
        found = engine.allocate(subject(row["model"]), tokens=1)
        assert found.bytes == result["bytes_total"]
        assert found.facts["n_ctx"] == result["n_ctx_effective"]
        theirs = [
            (cache.get("cells"), cache["bytes"]) for cache in result["caches"] if cache["bytes"]
        ]
        mine = [
            (cache["cells"] or None, sum(part["bytes"] for part in cache["parts"].values()))
            for cache in found.facts["caches"]
        ]
        assert mine == theirs
        assert found.basis == subject(row["model"]).basis


@pytest.mark.parametrize("name", SMALL["llama.cpp"])
def test_small(name: str) -> None:
    for variant, expected in SMALL["llama.cpp"][name].items():
        engine = LlamaCpp(**SMALL["llama.cpp options"][variant])
        if expected == "error":
            with pytest.raises(UnsupportedError):
                engine.allocate(small_subject(name), tokens=1)
        else:
            assert engine.allocate(small_subject(name), tokens=1).bytes == expected, variant


def test_what_is_held_is_a_part_of_it() -> None:
    found = LlamaCpp(ctx=4096).allocate(small_subject("gpt_oss"), tokens=100)
    full, sliding = found.buffers
    # 2 layers x 2 heads x (64 + 64) x 2 B, of each of which 100 tokens are used.
    assert full.held == sliding.held == 100 * 2 * 2 * 128 * 2
    assert (full.bytes, sliding.bytes) == (4096 * 1024, 768 * 1024)
    assert found.held + found.reserved == found.bytes


def test_room_for_the_tokens_is_made_where_no_context_is_given() -> None:
    small = small_subject("llama")
    assert LlamaCpp().allocate(small, tokens=1000, batch=2).facts["n_ctx"] == 2048
    assert LlamaCpp(parallel=4).allocate(small, tokens=300, batch=2).facts["n_ctx"] == 2048
    assert LlamaCpp(unified=True).allocate(small, tokens=300, batch=2).facts["n_ctx"] == 768
    assert {item.option for item in LlamaCpp().allocate(small, tokens=9).assumptions} == {
        "--ctx-size",
        "--parallel",
        "--ubatch-size",
    }


@pytest.mark.parametrize(
    ("options", "tokens", "says"),
    [
        ({"cache_type_k": "q3_K"}, 1, "no type of llama.cpp's cache"),
        ({"cache_type_v": "q8_0", "flash_attn": "off"}, 1, "needs flash attention"),
        ({"ctx": 512}, 513, "at most the 512 cells of one sequence"),
        ({"ctx": 512, "parallel": 2}, 300, "at most the 256 cells"),
    ],
)
def test_refused(options: dict[str, Any], tokens: int, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        LlamaCpp(**options).allocate(small_subject("llama"), tokens=tokens)


def test_keys_and_values_of_one_latent_have_one_type() -> None:
    with pytest.raises(UnsupportedError, match="one latent"):
        LlamaCpp(cache_type_k="q8_0").allocate(small_subject("deepseek_v3"), tokens=1)


def test_blocks_must_divide_a_head() -> None:
    with pytest.raises(UnsupportedError, match="do not divide the 48 of a head"):
        LlamaCpp(cache_type_k="q8_0", cache_type_v="q8_0").allocate(
            small_subject("minicpm3"), tokens=1
        )


@pytest.mark.parametrize(
    "options", [{"ctx": 0}, {"parallel": 257}, {"flash_attn": "yes"}, {"ubatch": True}]
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        LlamaCpp(**options)


def test_data_names_only_models_that_the_converter_has() -> None:
    known = set(DATA["architectures"])
    for part in ("sliding", "without_cache", "expanded", "keeps_empty_layers", "checked"):
        assert set(DATA[part]) <= known | {"deepseek2-ocr"}, part


def test_a_given_context_is_all_there_will_be() -> None:
    found = LlamaCpp(ctx=4096).allocate(small_subject("gpt_oss"), tokens=4096)
    assert found.bytes_per_token == 0
    assert found.at(10**9) == found.bytes


def test_sequences_that_share_cells_are_told_so() -> None:
    found = LlamaCpp(ctx=4096, parallel=4, unified=True).allocate(
        small_subject("llama"), tokens=4096, batch=4
    )
    assert "share 4,096 cells" in found.notes[-1]
    assert found.held == found.bytes
