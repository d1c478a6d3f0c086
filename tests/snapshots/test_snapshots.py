"""Every bundled snapshot answers, and has the parameters that the model is known to have."""

from __future__ import annotations

import json
from importlib import resources

import pytest

import hfkv
from hfkv.source.snapshot import read_snapshot, snapshot_names

# Totals of elements, and how each is known without this project:
#   hub     the total that the Hub shows for the published safetensors files, noted by hand
#           without a network at the time: to be compared when one is at hand
#   formula embeddings + layers, summed by hand from the published dimensions
#   paper   the developer's own report
# Where the published files hold buffers beside parameters (pythia, gpt2, Llama 2 70B), the
# row is the parameters alone: that is what the snapshot says it holds.
TOTALS = {
    "meta-llama/Llama-2-7b-hf": (6_738_415_616, "hub"),
    "meta-llama/Llama-2-13b-hf": (13_015_864_320, "hub"),
    "meta-llama/Llama-2-70b-hf": (68_976_648_192, "formula"),
    "meta-llama/Meta-Llama-3-8B": (8_030_261_248, "hub"),
    "meta-llama/Meta-Llama-3-70B": (70_553_706_496, "hub"),
    "meta-llama/Meta-Llama-3-70B-Instruct": (70_553_706_496, "hub"),
    "meta-llama/Llama-3.1-8B": (8_030_261_248, "hub"),
    "meta-llama/Llama-3.1-70B": (70_553_706_496, "hub"),
    "meta-llama/Llama-3.2-1B": (1_235_814_400, "hub"),
    "meta-llama/Llama-3.2-3B": (3_212_749_824, "hub"),
    "meta-llama/Llama-3.3-70B-Instruct": (70_553_706_496, "hub"),
    "google/gemma-2b-it": (2_506_172_416, "hub"),
    "google/gemma-2-2b-it": (2_614_341_888, "hub"),
    "google/gemma-3-4b-it": (4_300_079_472, "hub"),
    "google/gemma-3-27b-it": (27_432_406_640, "hub"),
    "mistralai/Mistral-7B-v0.1": (7_241_732_096, "hub"),
    "mistralai/Mistral-Nemo-Instruct-2407": (12_247_782_400, "hub"),
    "mistralai/Mixtral-8x7B-v0.1": (46_702_792_704, "hub"),
    "Qwen/Qwen2.5-3B-Instruct": (3_085_938_688, "hub"),
    "Qwen/Qwen2.5-7B": (7_615_616_512, "hub"),
    "Qwen/Qwen2.5-14B": (14_770_033_664, "hub"),
    "Qwen/Qwen2.5-72B-Instruct": (72_706_203_648, "hub"),
    "Qwen/Qwen3-4B": (4_022_468_096, "hub"),
    "Qwen/Qwen3-8B": (8_190_735_360, "hub"),
    "Qwen/Qwen3-14B": (14_768_307_200, "hub"),
    "Qwen/Qwen3-32B": (32_762_123_264, "hub"),
    "Qwen/Qwen3-30B-A3B": (30_532_122_624, "hub"),
    "microsoft/Phi-3-mini-4k-instruct": (3_821_079_552, "hub"),
    "microsoft/phi-4": (14_659_507_200, "hub"),
    "tiiuae/falcon-7b": (6_921_720_704, "formula"),
    "EleutherAI/pythia-410m": (405_334_016, "paper"),
    "EleutherAI/pythia-1.4b": (1_414_647_808, "paper"),
    "openai-community/gpt2": (124_439_808, "formula"),
    "openai-community/gpt2-xl": (1_557_611_200, "formula"),
    "TinyLlama/TinyLlama-1.1B-Chat-v0.6": (1_100_048_384, "hub"),
    "allenai/OLMoE-1B-7B-0924": (6_919_161_856, "hub"),
    "HuggingFaceTB/SmolLM3-3B": (3_075_098_624, "hub"),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": (32_763_876_352, "hub"),
    # With the float8 scales and the layer that predicts a token further ahead.
    "deepseek-ai/DeepSeek-V3": (684_531_386_000, "hub"),
}

#: Parameters of those whose weights are packed, without the scales beside them.
UNPACKED = {"deepseek-ai/DeepSeek-V3": 684_489_845_504}


@pytest.mark.parametrize("model", TOTALS)
def test_parameters_are_the_known_total(model: str) -> None:
    total, known_from = TOTALS[model]
    assert known_from in ("hub", "formula", "paper")
    read = hfkv.load(model, source="snapshot")
    # The Hub counts what the files hold.
    assert read.stored_elements == total
    assert read.parameters == UNPACKED.get(model, total)


def test_packed_experts_have_the_size_of_the_published_index() -> None:
    """``metadata.total_size`` of gpt-oss-20b's ``model.safetensors.index.json``."""
    assert hfkv.load("openai/gpt-oss-20b", source="snapshot").weight_bytes == 13_761_264_768
    # Its model card speaks of 20.9B parameters.
    assert hfkv.load("openai/gpt-oss-20b", source="snapshot").parameters == 20_914_757_184


@pytest.mark.parametrize("model", snapshot_names())
def test_every_snapshot_answers_and_says_what_it_is(model: str) -> None:
    loaded = hfkv.load(model, source="snapshot")
    assert loaded.source == "snapshot"
    assert loaded.commit is None
    assert loaded.kv_cache(tokens=1000).bytes > 0
    assert loaded.lora(r=8).parameters > 0
    assert loaded.pretraining.tokens is None or loaded.pretraining.evidence
    notes = " ".join(loaded.facts.notes)
    assert "not fetched" in notes
    assert "transformers 5." in notes


def test_names_are_found_whatever_their_case() -> None:
    assert read_snapshot("META-LLAMA/meta-llama-3-70b").model == "meta-llama/Meta-Llama-3-70B"


def test_snapshots_are_small() -> None:
    folder = resources.files("hfkv.data") / "snapshots"
    sizes = [len(entry.read_bytes()) for entry in folder.iterdir()]
    assert len(sizes) >= 30
    assert sum(sizes) < 400_000


def test_the_statement_of_the_main_example() -> None:
    statement = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot").pretraining
    assert (statement.tokens, statement.qualifier) == (15_000_000_000_000, "at_least")
    assert "over 15 trillion tokens" in statement.evidence[0].quote


@pytest.mark.oracle
def test_the_generator_gives_the_same_files() -> None:
    pytest.importorskip("torch")
    generator = pytest.importorskip("hfkv.generate.snapshots")
    if not generator.SHARED.is_dir():
        pytest.skip("the published configs and cards are not at hand")
    folder = resources.files("hfkv.data") / "snapshots"
    records = dict(generator.generate())
    assert sorted(records) == sorted(entry.name for entry in folder.iterdir())
    for name, record in records.items():
        assert json.loads((folder / name).read_text("utf-8")) == json.loads(json.dumps(record)), (
            name
        )
