"""``kv --explain`` and ``--layers``: whole, true, and readable at 80 columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv.cache import ROWS, kv_cache, plan
from hfkv.cache.explain import ranges, row_place
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.model import load
from tests.census.goldens import load as goldens

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


def test_every_row_is_found_in_its_file() -> None:
    for model_type in ROWS:
        path, _, line = row_place(model_type).rpartition(":")
        assert model_type in (ROOT / path).read_text().splitlines()[int(line) - 1], model_type


@pytest.mark.parametrize("golden", goldens()[::7], ids=lambda g: g["model_type"])
def test_the_arithmetic_comes_out(golden: dict[str, object]) -> None:
    config = {**golden["config"], "dtype": "bfloat16"}  # type: ignore[dict-item]
    crosses = plan(Config(config, where="m")).crosses
    figure = kv_cache(
        Facts(model="m", source="directory", config=config),
        tokens=5000,
        batch=2,
        encoder_tokens=9 if crosses else None,
    )
    lines = figure.explain()
    assert max(map(len, lines)) <= 80
    each = [line for line in lines if line.startswith("  each ")]
    products = [re.findall(r"\d[\d,]*(?<!,)", line) for line in each]
    numbers = [[int(item.replace(",", "")) for item in found] for found in products]
    assert all(one * count == all_ for one, count, all_ in numbers)
    assert sum(found[2] for found in numbers) == figure.bytes
    for line in lines:
        if match := re.fullmatch(r"  \w+[.\d]*: ([\dx ]+) x (\d+) B \(\w+\) = ([\d,]+) B", line):
            shape, width, total = match.groups()
            product = int(width)
            for size in shape.split(" x "):
                product *= int(size)
            assert product == int(total.replace(",", ""))


def test_each_number_is_traced_to_file_class_or_null(hfkv: Run) -> None:
    code, out, _ = hfkv("kv", "mistralai/Mistral-7B-v0.1", "--source", "snapshot", "--explain")
    assert code == 0
    said, filled = out.split("config.json says:")[1].split("absent from config.json")
    assert "sliding_window = 4096" in said
    assert "head_dim = null" in filled
    assert re.search(r"row mistral \(exact\) at hfkv/cache/rows/attention\.py:\d+", out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_nested_type_names_its_own_row_too() -> None:
    lines = load("google/gemma-3-27b-it", source="snapshot").kv_cache(tokens=10).explain()
    assert [line.split()[1] for line in lines if line.startswith("row ")] == [
        "gemma3",
        "gemma3_text",
    ]


@pytest.mark.parametrize("width", ["human", "markdown"])
def test_equal_layers_are_grouped(hfkv: Run, width: str) -> None:
    out = hfkv("kv", "google/gemma-3-27b-it", "--layers", "--format", width)[1]
    assert "10: 5-59 step 6" in out
    assert "52: 0-4" in out
    assert width == "markdown" or max(map(len, out.splitlines())) <= 80


def test_marginal_average_and_total_are_named_apart(hfkv: Run) -> None:
    out = hfkv("kv", "google/gemma-3-27b-it", "--source", "snapshot", "--format", "human")[1]
    rows = dict(re.findall(r"^(bytes[^\d]*?)\s{2,}([\d.,]+)$", out, re.M))
    assert rows == {
        "bytes, total": "8,627,781,632",
        "bytes of the next token (marginal)": "81,920",
        "bytes per token (average)": "86,277.82",
        "bytes before the first token": "0",
    }


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ([0], "0"),
        ([0, 1], "0-1"),
        ([0, 2], "0, 2"),
        ([1, 2, 4], "1-2, 4"),
        ([0, 4, 8], "0-8 step 4"),
    ],
)
def test_ranges(numbers: list[int], shown: str) -> None:
    assert ranges(numbers) == shown
