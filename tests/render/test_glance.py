"""Read at a glance: one sentence, one table, notes once; several models in one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

import hfkv
from hfkv.comparison import Comparison
from hfkv.errors import HfkvError
from hfkv.render import compare, compare_many, kv, lora, tokens
from hfkv.render.merged import merged
from hfkv.render.sheet import Sheet
from hfkv.render.terminal import cells, draw, hang
from hfkv.source.snapshot import snapshot_names
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
SEVERAL = (
    LLAMA,
    "Qwen/Qwen3-8B",
    "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V3",
    "openai/gpt-oss-20b",
    "mistralai/Mistral-7B-v0.1",
)


@cache
def _comparison(name: str) -> Comparison:
    (found,) = hfkv.compare(name, source="snapshot")
    return found


def _all_sheets(name: str) -> Iterator[list[Sheet]]:
    item = _comparison(name)
    model = item.model
    yield compare.sheets(item)
    if item.kv_cache is not None:
        yield kv.sheets(model, item.kv_cache, by_layer=True, explain=True)
    if item.lora is not None:
        yield lora.sheets(model, item.lora, by_layer=True, explain=True)
    yield tokens.sheets(model, item.pretraining, [])


@pytest.mark.parametrize("name", snapshot_names())
def test_every_page_fits_and_says_nothing_twice(name: str) -> None:
    for sheets in _all_sheets(name):
        for width in (48, 80, 120):
            lines = list(draw(sheets, width=width))
            assert max(map(cells, lines)) <= width
            notes = [line for line in lines if line.startswith("note: ")]
            assert len(set(notes)) == len(notes)
        assert lines[0].startswith(name)
        assert sum(line.startswith("read from ") for line in lines) == 1
        assert any(line.startswith("basis ") or line.endswith(" basis") for line in lines)


def test_the_first_sentence_has_every_cost_and_the_largest_ratio() -> None:
    assert compare.sentence(_comparison(LLAMA)) == (
        f"{LLAMA}: each of 100,000 tokens costs 327,680 B in context, 8,284 B in a LoRA of rank "
        "32 and at most 0.0094 B in pretraining; the largest ratio is at least 34,833,039x, "
        "context over pretraining"
    )
    (short,) = hfkv.compare(LLAMA, source="snapshot", tokens=1)
    assert compare.sentence(short).startswith(f"{LLAMA}: each of 1 token costs 327,680 B")
    assert compare.sentence(short).endswith("x, LoRA over pretraining")


@pytest.mark.parametrize("width", [80, 100, 120, 400])
def test_several_models_are_one_table_with_a_row_each(width: int) -> None:
    results: list[tuple[str, Comparison | HfkvError]] = [
        (name, _comparison(name)) for name in SEVERAL
    ]
    results.insert(2, ("nobody/nothing", hfkv.NotFoundError("no such repository")))
    lines = list(draw(compare_many.sheets(results), width=width))
    assert max(map(cells, lines)) <= width
    rules = [number for number, line in enumerate(lines) if line.startswith("─")]
    assert len(rules) == 1
    rows = lines[rules[0] + 1 : rules[0] + 1 + len(results)]
    for row, (name, _) in zip(rows, results, strict=True):
        assert row.startswith(name if width == 400 else name.rpartition("/")[2])
    assert rows[0].rstrip().endswith("2,528") or "2,528" in rows[0]
    assert "not read" in rows[2]
    assert lines[rules[0] + 1 + len(results)] == ""
    heading = " ".join(lines[: rules[0]])
    for word in ("in context", "LoRA", "pretraining", "break-even"):
        assert word in heading
    # What is left out first comes back last.
    assert ("parity" in heading) == (width == 400)


def test_the_column_that_is_sorted_by_stays() -> None:
    results: list[tuple[str, Comparison | HfkvError]] = [
        (name, _comparison(name)) for name in SEVERAL
    ]
    (sheet,) = compare_many.sheets(results)
    (sorted_sheet,) = compare_many.sheets(results, sort="parameters")
    place = sheet.columns.index("parameters")
    assert place in sheet.drop
    assert place not in sorted_sheet.drop


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("kv", LLAMA),
        ("ratio", "Qwen/Qwen3-8B"),
        ("parameters", LLAMA),
        ("break-even", LLAMA),
        ("name", "google/gemma-3-27b-it"),
    ],
)
def test_models_are_sorted_and_what_failed_comes_last(
    hfkv: Run, offline: None, key: str, first: str
) -> None:
    names = ("Qwen/Qwen3-8B", "nobody/nothing", "google/gemma-3-27b-it", LLAMA)
    code, out, _ = hfkv("compare", *names, "--sort", key, "-q")
    assert code == 1
    lines = out.splitlines()
    assert lines[0].split("\t")[0] == first
    assert lines[-1] == "nobody/nothing\t"
    assert {line.split("\t")[0] for line in lines} == set(names)


def test_a_bare_figure_of_one_model_names_none(hfkv: Run, offline: None) -> None:
    assert float(hfkv("compare", LLAMA, "-q")[1]) == 32_768_000_000 / 828_375_040


def test_what_fails_is_said_once(hfkv: Run, offline: None) -> None:
    code, out, err = hfkv("compare", LLAMA, "nobody/nothing")
    assert code == 1
    assert err.count("nobody/nothing: ") == 1
    assert "offline mode is on" not in out.replace("the Hub was not used: offline mode is on", "")
    code, out, err = hfkv("compare", LLAMA, "--target-modules", "q_prj")
    assert code == 1
    assert "refused" in out
    assert "q_prj" not in out
    assert err.count("match nothing") == 1
    assert "did you mean q_proj" in err


def test_notes_of_several_models_are_said_once() -> None:
    said = [
        ("a", ["made of 10 parts in 2 rows", "alike"]),
        ("b", ["made of 9 parts in 2 rows", "alike"]),
        ("c", ["made of 9 parts in 3 rows", "alike", "of version 1.2"]),
    ]
    assert merged(said[:2], 2) == ["made of 9 (b) to 10 (a) parts in 2 rows", "alike"]
    assert merged(said, 3) == [
        "a: made of 10 parts in 2 rows",
        "b: made of 9 parts in 2 rows",
        "c: made of 9 parts in 3 rows",
        "alike",
        "c: of version 1.2",
    ]
    assert merged([("a", ["alike"]), ("b", ["alike"])], 3) == ["a, b: alike"]


def test_notes_hang() -> None:
    assert hang("note: one two three four", 16, 6) == ["note: one two", "      three four"]
    assert hang("note: " + "x" * 20, 16, 6)[1].startswith("      ")


@pytest.mark.parametrize(
    ("typed", "said"), [("24gib", "24 GiB"), ("80GB", "80 GB"), ("1.5 MiB", "1.5 MiB")]
)
def test_a_unit_that_was_given_is_echoed(hfkv: Run, offline: None, typed: str, said: str) -> None:
    out = hfkv("kv", LLAMA, "--fit", typed)[1].splitlines()[0]
    assert f"fit in {said} (" in out


def test_what_a_format_has_no_room_for_is_said(hfkv: Run, offline: None) -> None:
    code, _, err = hfkv("kv", LLAMA, "--explain", "--layers", "-q")
    assert code == 0
    assert err == (
        "Warning: --explain changes nothing in the format quiet\n"
        "Warning: --layers changes nothing in the format quiet\n"
    )
    assert "--explain" in hfkv("compare", LLAMA, "--explain", "--format", "csv")[2]
    assert not hfkv("tokens", LLAMA, "--explain", "--format", "csv")[2]
    for output in ("markdown", "latex", "json"):
        _, out, err = hfkv("lora", LLAMA, "--explain", "--format", output)
        assert "r=32 x (in=8,192 + out=8,192)" in out
        assert not err


@pytest.mark.parametrize("name", snapshot_names()[::4])
@pytest.mark.parametrize(
    "options", [{}, {"use_dora": True}, {"modules_to_save": ["lm_head"], "bias": "all"}]
)
def test_the_arithmetic_of_an_adapter_comes_out(name: str, options: dict[str, Any]) -> None:
    model = _comparison(name).model
    try:
        figure = model.lora(r=8, **options)
    except HfkvError:
        return
    lines = figure.explain()
    assert max(map(len, lines)) <= 78
    text = re.sub(r"\n {4}(?=\S)", " ", "\n".join(lines))
    total = 0
    products = re.findall(r"^\S+: (.+) = ([\d,]+), x ([\d,]+) = ([\d,]+)$", text, re.M)
    assert len(products) == len(re.findall(r"^\S+: .*in=", text, re.M))
    for product, one, count, all_ in products:
        made = re.fullmatch(
            r"(?:([\d,]+) experts x )?r=([\d,]+) x \(in=([\d,]+) \+ out=([\d,]+)\)"
            r"(?: \+ ([\d,]+) \(.*\))?",
            product,
        )
        assert made is not None, product
        experts, r, inputs, outputs, more = (
            int((n or "0").replace(",", "")) for n in made.groups()
        )
        assert (experts or 1) * r * (inputs + outputs) + more == int(one.replace(",", ""))
        assert int(one.replace(",", "")) * int(count.replace(",", "")) == int(all_.replace(",", ""))
        total += int(all_.replace(",", ""))
    beside = sum(size for _, size in figure.saved) + figure.biases
    assert total + beside == figure.parameters
    assert f"{figure.parameters:,} parameters" in text
    assert f"= {figure.bytes:,} B" in text


def test_a_page_for_a_teacher_names_the_axes_and_where_numbers_are_from() -> None:
    text = "\n".join(_comparison("deepseek-ai/DeepSeek-V3").explain())
    assert text.startswith("symbols:\n  context ")
    assert "c=512" in text
    assert "(the latent)" in text
    assert "r=64" in text
    assert "(the rotary key)" in text
    assert "context = 7,027,200,000 B / 100,000 tokens = 70,272 B per token" in text
    assert "kv_lora_rank = 512" in text
    assert "model.layers.0.self_attn.q_a_proj.weight: [1536, 7168] F8_E4M3" in text
    assert "bfloat16: the model's own, torch_dtype of config.json" in text
