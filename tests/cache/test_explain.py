"""``kv --explain`` and ``--layers``: whole, true, and readable at 80 columns."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.cache import ROWS, kv_cache, plan
from hfkv.cache.explain import ranges, row_place
from hfkv.cache.registry import FAMILIES
from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.facts.classes import config_class
from hfkv.facts.config import Config, Read
from hfkv.model import load
from tests.census.goldens import load as goldens

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
CONFIGS = ROOT.parent / "shared" / "data" / "configs"


def test_every_row_is_found_in_its_file() -> None:
    for model_type in FAMILIES:
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
    # What was folded is one line again.
    whole = re.sub(r"\n {4}(?=\S)", " ", "\n".join(lines))
    stored = re.findall(
        r"^  [\w.]+(?: \([\w ]+\))?: (.*) x (?:b=)?(\d+) B \(\w+\) = (.*) B$", whole, re.M
    )
    assert len(stored) == len(re.findall(r"^  [\w.]+[^:\n]*: .* = .* B$", whole, re.M))
    known = set(re.findall(r"^  (\S+) +", whole.split("\n\n")[0], re.M))
    for shape, width, total in stored:
        product = int(width)
        for size in shape.split(" x "):
            symbol, _, number = size.rpartition("=")
            assert not symbol or symbol in known
            product *= int(number.replace(",", ""))
        assert product == int(total.replace(",", ""))


def test_each_number_is_traced_to_file_class_or_null(hfkv: Run) -> None:
    code, out, _ = hfkv("kv", "mistralai/Mistral-7B-v0.1", "--source", "snapshot", "--explain")
    assert code == 0
    said, filled = out.split("config.json says:")[1].split("absent from config.json")
    assert "sliding_window = 4096" in said
    assert "head_dim = null" in filled
    assert re.search(r"row mistral \(exact\) at hfkv/cache/rows/full_attention\.py:\d+", out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_nested_type_names_its_own_row_too() -> None:
    lines = load("google/gemma-3-27b-it", source="snapshot").kv_cache(tokens=10).explain()
    assert [line.split()[1] for line in lines if line.startswith("row ")] == [
        "gemma3",
        "gemma3_text",
    ]


def test_equal_layers_are_grouped(hfkv: Run) -> None:
    out = hfkv("kv", "google/gemma-3-27b-it", "--layers", "--format", "human")[1]
    assert "10: 5-59 step 6" in out
    assert "52: 0-4" in out
    assert max(map(len, out.splitlines())) <= 80


def test_marginal_average_and_total_are_named_apart(hfkv: Run) -> None:
    out = hfkv("kv", "google/gemma-3-27b-it", "--source", "snapshot", "--format", "human")[1]
    rows = dict(re.findall(r"^(\w[\w ]*?)\s{2,}([\d.,]+) B", out, re.M))
    assert rows == {
        "KV cache": "8,627,781,632",
        "next token": "81,920",
        "average per token": "86,277.82",
        "before the first": "0",
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


#: Files as they are published that state things in places and under names of their own.
OLDER: list[dict[str, Any]] = [
    {
        "model_type": "gemma4_text",
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "full_attention"],
        "per_layer_config": {"01": {"head_dim": 64}, "2": {"num_key_value_heads": 2}},
    },
    {"model_type": "gemma4_text", "global_head_dim": 96, "num_global_key_value_heads": 2},
    {"model_type": "gemma4_text", "global_head_dim": 96, "attention_k_eq_v": True},
    {
        "model_type": "kimi_linear",
        "num_hidden_layers": 2,
        "linear_attn_config": {
            "num_heads": 4,
            "head_dim": 16,
            "short_conv_kernel_size": 3,
            "full_attn_layers": [2],
            "kda_layers": [1],
        },
    },
    {"model_type": "nemotron_h", "hybrid_override_pattern": "M-*E", "mamba_n_groups": 4},
    {"model_type": "nemotron_h", "layers_block_type": ["mamba", "attention"], "mamba_d_conv": 3},
    {"model_type": "bailing_hybrid", "linear_num_heads": 8, "num_hidden_layers": 6},
    {"model_type": "dots3_note_text", "swa_kv_lora_rank": 96, "num_hidden_layers": 6},
    {"model_type": "deepseek_v4", "compress_rate_hca": 64, "compress_rates": None},
    {"model_type": "glm_moe_dsa", "index_topk_pattern": "FS" * 39},
    {
        "model_type": "minimax_m3_vl_text",
        "num_hidden_layers": 2,
        "sparse_attention_config": {"sparse_index_dim": 32, "sparse_attention_freq": [0, 1]},
    },
    {"model_type": "dbrx", "attn_config": {"rope_theta": 5e5}},
    {"model_type": "dbrx", "d_model": 64, "n_heads": 4, "attn_config": {"rope_theta": 1.0}},
    {"model_type": "mpt", "attn_config": {"attn_type": "multiquery_attention"}},
    {"model_type": "bloom", "n_embed": 32, "n_layer": 2, "num_attention_heads": 4},
    {"model_type": "qwen2_vl", "num_hidden_layers": 3, "hidden_size": 64},
    {"model_type": "llava", "text_config": {"model_type": "mistral", "num_hidden_layers": 2}},
    {"model_type": "step3p5", "num_attention_groups": 2, "num_mtp_layers": 1},
    {"model_type": "bamba", "attn_layer_indices": [9]},
    {"model_type": "mllama", "text_config": {"cross_attention_layers": [1]}},
    {"model_type": "reformer", "is_decoder": True},
    {
        "model_type": "nemotron-nas",
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "hidden_size": 64,
        "block_configs": [
            {"attention": {"n_heads_in_group": 4}},
            {"attention": {"no_op": True, "n_heads_in_group": None}},
        ],
    },
    {
        "model_type": "mimo",
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "hidden_size": 64,
    },
    {
        "model_type": "internvl_chat",
        "llm_config": {"model_type": "qwen2", "num_hidden_layers": 2},
    },
]


def stated(part: Any, path: str) -> list[Any]:
    """The value that stands under a path, character for character; empty where none does."""
    if not path:
        return [part]
    if isinstance(part, list):
        index, _, rest = path.removeprefix("[").partition("]")
        return stated(part[int(index)], rest.removeprefix("."))
    for key in part if isinstance(part, dict) else ():
        if path == key or path.startswith((f"{key}.", f"{key}[")):
            return stated(part[key], path[len(key) :].removeprefix("."))
    return []


def filled_in(read: Read) -> list[Any]:
    """What the class that a read names has for the key, in any of its ways."""
    found = config_class(read.of)
    assert found is not None, read
    name = read.key.split(".")[-1]
    cases = [case for part in found.sub_defaults.values() for case in part.values()]
    ways = [found.defaults, found.keyword_defaults, found.filled_nulls, *cases]
    return [way[name] for way in ways if name in way]


def check_reads(raw: dict[str, Any]) -> None:
    config = Config(raw, where="m")
    with contextlib.suppress(HfkvError):
        plan(config)
    for read in config.reads:
        if read.origin in ("explicit", "null"):
            assert stated(raw, read.key) == [read.value], read
            assert (read.value is None) == (read.origin == "null"), read
        elif read.origin == "class default":
            assert not stated(raw, read.key), read
            assert read.value in filled_in(read), read
        else:
            assert read.of, read


def test_what_is_said_to_be_in_the_file_is_there_and_each_default_is_the_class_s() -> None:
    for model_type in ROWS:
        check_reads({"model_type": model_type})
    for golden in goldens():
        check_reads({**golden["config"], "architectures": [golden["class"]]})
        # Without what is null, and with the text part alone, defaults come into play.
        check_reads({key: value for key, value in golden["config"].items() if value is not None})
    for config in OLDER:
        check_reads(config)


def test_older_files_are_explained_by_their_own_keys() -> None:
    def explained(number: int) -> str:
        facts = Facts(model="m", source="directory", config={**OLDER[number], "dtype": "bfloat16"})
        return "\n".join(kv_cache(facts, tokens=10).explain())

    assert "per_layer_config.01.head_dim = 64" in explained(0)
    assert "global_head_dim = 96" in explained(1)
    assert "linear_attn_config.num_heads = 4" in explained(3)
    kinds = explained(4)
    assert "hybrid_override_pattern = M-*E" in kinds
    assert "the letters of hybrid_override_pattern" in " ".join(kinds.split())
    assert "attn_config.kv_n_heads = 1" in explained(11)


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="the shared configs are not here")
def test_published_files_too() -> None:
    for path in sorted(CONFIGS.glob("*.json")):
        raw = json.loads(path.read_text("utf-8"))
        with contextlib.suppress(HfkvError):
            check_reads(raw)
