"""The rules for choosing a rank: exact arithmetic between exact sizes and what is assumed."""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hfkv
from hfkv.comparison.rank import Ranks, ranks
from hfkv.comparison.rules import Assumed, RankRule, verdict
from hfkv.comparison.series import over_rank
from hfkv.errors import InputError
from hfkv.model import Model
from hfkv.peft.lora.rank_line import RankLine
from hfkv.render.chart import draw
from hfkv.source.compressed import compressed_bytes

LLAMA = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
MIXTURE = hfkv.load("Qwen/Qwen3-30B-A3B", source="snapshot")
Run = Callable[..., tuple[int, str, str]]
_EACH = 414_187_520 // 32


def _by_name(found: Ranks) -> dict[str, RankRule]:
    return {rule.name: rule for rule in found.rules}


def test_the_rules_of_the_main_example() -> None:
    rules = _by_name(ranks(LLAMA, tokens=100_000))
    assert list(rules) == ["cache", "share", "cartridge", "tokens", "facts", "memorization"]
    assert rules["cache"].rank == 32_768_000_000 // (2 * _EACH)
    assert rules["share"].rank == 141_107_412_992 // 100 // (2 * _EACH)
    # 100,000 tokens over 38.6 is 2,591 virtual tokens, of 327,680 bytes each.
    assert rules["cartridge"].rank == 2591 * 327_680 // (2 * _EACH)
    assert {rules[name].rank for name in ("tokens", "facts", "memorization")} == {1}


def test_the_needs_of_a_billion_tokens() -> None:
    assumed = Assumed(bits_per_token=Fraction(3, 2), bits_source="given")
    rules = _by_name(ranks(LLAMA, tokens=10**9, assumed=assumed))
    assert rules["tokens"].rank == -(-(10**9) // _EACH)
    assert rules["facts"].rank == -(-(3 * 10**9) // (4 * _EACH))
    assert rules["memorization"].rank == -(-(15 * 10**9) // (36 * _EACH))
    assert "1.5 bits (given)" in rules["facts"].assumption


def test_every_rule_says_where_it_is_from_and_what_it_assumes() -> None:
    for rule in ranks(LLAMA, tokens=1000, assumed=Assumed(max_bytes=10**9, cartridge=64)).rules:
        assert rule.source
        assert rule.assumption
        assert rule.bound in ("most", "least")


def test_the_limits_that_are_given_name_the_largest_rank() -> None:
    assert ranks(LLAMA, tokens=1000).largest == 54
    assert ranks(LLAMA, tokens=1000, assumed=Assumed(max_share=Fraction(1, 50))).largest == 109
    assert ranks(LLAMA, tokens=1000, assumed=Assumed(max_bytes=10**9)).largest == 38
    assert ranks(LLAMA, tokens=1000, assumed=Assumed(max_bytes=1000)).largest is None
    blind = Model(replace(LLAMA.facts, tensors=None))
    assert ranks(blind, tokens=1000).largest is None
    assert ranks(blind, tokens=1000, assumed=Assumed(max_bytes=10**9)).largest == 38
    assert _by_name(ranks(blind, tokens=1000))["share"].reason == "no weights were seen"


@pytest.mark.parametrize("name", ["bits_per_token", "data_bits", "max_share", "max_bytes"])
def test_nothing_is_no_assumption(name: str) -> None:
    with pytest.raises(InputError, match="not positive"):
        Assumed(**{name: 0})


def test_every_row_is_what_the_count_says_and_what_the_rules_say_of_it() -> None:
    found = ranks(LLAMA, tokens=1000)
    for row in found.rows:
        figure = LLAMA.lora(r=row.r)
        assert (row.parameters, row.bytes) == (figure.parameters, figure.bytes)
        for rule in found.rules:
            if rule.rank is None:
                assert rule.name not in row.meets
                continue
            kept = row.r <= rule.rank if rule.bound == "most" else row.r >= rule.rank
            assert (rule.name in row.meets) is kept


def test_a_model_whose_cache_no_cartridge_fits_says_so() -> None:
    rule = _by_name(ranks(hfkv.load("deepseek-ai/DeepSeek-V3", source="snapshot"), tokens=1000))
    assert rule["cartridge"].rank is None
    assert "PEFT makes no cartridge" in rule["cartridge"].reason


def test_what_does_not_grow_has_no_rank() -> None:
    flat = RankLine(slope=0, constant=100)
    assert flat.smallest(101) is None
    assert flat.smallest(100) == 1
    assert flat.largest(1000) is None


def test_what_a_rank_means_in_a_mixture() -> None:
    experts = ranks(MIXTURE, tokens=1000).experts
    assert experts is not None
    assert (experts.experts, experts.active) == (128, 8)
    assert experts.ranks == {"experts.gate_up_proj": 2, "experts.down_proj": 1}
    adapter = MIXTURE.lora(r=16)
    inside = sum(item.parameters for item in adapter.targets if "experts" in item.name)
    assert experts.share == Fraction(inside, adapter.parameters)
    assert "r/8" in " ".join(experts.sentences)
    assert ranks(LLAMA, tokens=1000).experts is None


def test_a_mixture_whose_experts_have_no_adapter() -> None:
    oss = hfkv.load("openai/gpt-oss-20b", source="snapshot")
    experts = ranks(oss, tokens=1000).experts
    assert experts is not None
    assert (experts.experts, experts.active, experts.ranks) == (32, 4, {})
    assert "none of the 32 experts" in experts.sentences[0]


def _rule(name: str, bound: str, rank: int | None) -> RankRule:
    return RankRule(
        name=name,
        label=name,
        bound="most" if bound == "most" else "least",
        rank=rank,
        parameters=Fraction(rank or 0),
        source="",
        assumption="",
        reason="" if rank else "it is so",
    )


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=4),
    st.lists(st.integers(1, 50), min_size=1, max_size=4),
)
def test_the_verdict_is_what_the_ranks_are(above: list[int], below: list[int]) -> None:
    rules = [_rule(f"a{number}", "most", rank) for number, rank in enumerate(above)]
    rules += [_rule(f"b{number}", "least", rank) for number, rank in enumerate(below)]
    said = verdict(tuple(rules))
    low, high = max(below), min(above)
    assert ("agree on rank" in said) is (low <= high)
    assert ("contradict each other" in said) is (low > high)
    assert ("How large is too large they do not agree on" in said) is (len(set(above)) > 1)
    assert ("met by every rank" in said) is (low == 1)


def test_the_verdict_names_what_no_rank_is_small_enough_for() -> None:
    said = verdict((_rule("tiny", "most", None), _rule("most", "most", 4)))
    assert "No rank is small enough for 'tiny': it is so." in said


def test_the_chart_draws_no_floor() -> None:
    (model,) = over_rank([LLAMA], tokens=100_000).models
    assert {mark.name: mark.r for mark in model.marks} == {
        rule.name: rule.rank for rule in ranks(LLAMA, tokens=100_000).rules
    }
    assert all(mark.source and mark.assumption for mark in model.marks)
    figure = draw(over_rank([LLAMA], tokens=100_000))
    drawn = "\n".join(text.get_text() for axis in figure.axes for text in axis.texts)
    assert "rank 54 at most: 1% of the weights" in drawn
    assert "bytes of the cache" in drawn
    assert "at least: " not in drawn
    assert "in a parameter" not in drawn


def test_sequences_count_together() -> None:
    one, two = ranks(LLAMA, tokens=1000), ranks(LLAMA, tokens=500, batch=2)
    assert (one.tokens, one.kv_cache_bytes) == (two.tokens, two.kv_cache_bytes)


def test_a_row_of_csv_is_a_rank(hfkv: Run, offline: None) -> None:
    code, out, _ = hfkv("rank", LLAMA.model, "--format", "csv")
    assert code == 0
    head, *rows = out.splitlines()
    place = head.split(",").index("r")
    assert [int(row.split(",")[place]) for row in rows] == [2**n for n in range(11)]


def test_the_bare_answer_is_the_largest_rank(hfkv: Run, offline: None) -> None:
    assert hfkv("rank", LLAMA.model, "-q")[1].strip() == "54"
    assert hfkv("rank", LLAMA.model, "-q", "--max-bytes", "1GB")[1].strip() == "38"
    assert hfkv("rank", LLAMA.model, "-q", "--max-share", "0.02")[1].strip() == "109"


def test_explain_shows_the_arithmetic_and_what_is_left_out(hfkv: Run, offline: None) -> None:
    code, out, _ = hfkv("rank", LLAMA.model, "--explain")
    said = " ".join(out.split())
    assert code == 0
    assert "an adapter of rank r has 12,943,360 r parameters of b=2 B" in said
    assert "r = 54.5096: 54 at most" in said
    assert "left out: parametric memory law" in said
    assert "arXiv 2605.30260" in said


def test_a_loss_and_a_compressor_measure_the_data(hfkv: Run, offline: None, tmp_path: Path) -> None:
    text = b"".join(b"%d is a number; " % number for number in range(5000))
    data = tmp_path / "notes.txt"
    data.write_bytes(text)
    for method, packed in (
        ("xz", lzma.compress(text, preset=9)),
        ("bz2", bz2.compress(text, 9)),
        ("zlib", zlib.compress(text, 9)),
    ):
        assert compressed_bytes(data, method) == len(packed)
        _, out, _ = hfkv("rank", LLAMA.model, "--data", str(data), "--compressor", method, "--json")
        rules = {rule["name"]: rule for rule in json.loads(out)["rules"]}
        assert rules["facts"]["parameters"] == 4 * len(packed)
        assert f"notes.txt compressed by {method}" in rules["facts"]["assumption"]
    _, out, _ = hfkv("rank", LLAMA.model, "--loss", "0.6931471805599453", "--json")
    rules = {rule["name"]: rule for rule in json.loads(out)["rules"]}
    assert rules["facts"]["parameters"] == pytest.approx(50_000)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--max-share", "0"),
        ("--max-share", "101%"),
        ("--max-share", "much"),
        ("--max-share", "1/0"),
        ("--max-bytes", "0"),
        ("--bits-per-token", "nan"),
        ("--loss", "1", "--bits-per-token", "1"),
        ("--compressor", "xz"),
        ("--cartridge", "0"),
    ],
)
def test_a_wrong_option_is_a_usage_error(hfkv: Run, offline: None, wrong: tuple[str, ...]) -> None:
    code, out, err = hfkv("rank", LLAMA.model, *wrong)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_data_that_is_not_there_is_said(hfkv: Run, offline: None, tmp_path: Path) -> None:
    code, _, err = hfkv("rank", LLAMA.model, "--data", str(tmp_path / "none"))
    assert code == 1
    assert "no such file" in err
    (tmp_path / "empty").touch()
    code, _, err = hfkv("rank", LLAMA.model, "--data", str(tmp_path / "empty"))
    assert code == 2
    assert "is empty" in err
