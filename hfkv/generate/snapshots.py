"""Write ``hfkv/data/snapshots``: shapes of well-known models, for machines that are offline.

Facts: the published ``config.json`` and model card of each (``../shared/data``), and the tensors
that the pinned transformers saves for that config, built on the meta device. A record says so.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfkv.facts import Facts
from hfkv.generate.packed import LAYOUTS
from hfkv.live.build import build, config_of, transformers
from hfkv.pretraining import pretraining
from hfkv.source.files import Files
from hfkv.source.record import dump_record
from hfkv.tensors import Tensor, TensorTable

__all__ = ["MODELS", "generate", "main"]

TARGET = Path(__file__).parent.parent / "data" / "snapshots"
SHARED = Path(__file__).parents[3] / "shared" / "data"

#: Hub ids whose published config is at hand. The same config serves ids that share it, named
#: after "=": an instruction-tuned model has its base's shape.
MODELS = """
meta-llama/Llama-2-7b-hf = meta-llama/Llama-2-7b-chat-hf
meta-llama/Llama-2-7b-chat-hf
meta-llama/Llama-2-13b-hf = meta-llama/Llama-2-13b-chat-hf
meta-llama/Llama-2-70b-hf
meta-llama/Meta-Llama-3-8B
meta-llama/Meta-Llama-3-8B-Instruct
meta-llama/Meta-Llama-3-70B
meta-llama/Meta-Llama-3-70B-Instruct = meta-llama/Meta-Llama-3-70B
meta-llama/Llama-3.1-8B = meta-llama/Meta-Llama-3.1-8B-Instruct
meta-llama/Llama-3.1-70B = meta-llama/Llama-3.1-70B-Instruct
meta-llama/Llama-3.1-8B-Instruct = meta-llama/Meta-Llama-3.1-8B-Instruct
meta-llama/Llama-3.1-70B-Instruct
meta-llama/Llama-3.2-1B = meta-llama/Llama-3.2-1B-Instruct
meta-llama/Llama-3.2-3B = meta-llama/Llama-3.2-3B-Instruct
meta-llama/Llama-3.2-1B-Instruct
meta-llama/Llama-3.2-3B-Instruct
meta-llama/Llama-3.3-70B-Instruct
google/gemma-2b-it
google/gemma-2-2b-it
google/gemma-3-4b-it
google/gemma-3-27b-it
mistralai/Mistral-7B-v0.1
mistralai/Mistral-7B-Instruct-v0.2
mistralai/Mistral-Nemo-Instruct-2407
mistralai/Mixtral-8x7B-v0.1
Qwen/Qwen2.5-3B-Instruct
Qwen/Qwen2.5-7B = Qwen/Qwen2.5-7B-Instruct
Qwen/Qwen2.5-7B-Instruct
Qwen/Qwen2.5-14B
Qwen/Qwen2.5-72B-Instruct
Qwen/Qwen3-4B
Qwen/Qwen3-8B
Qwen/Qwen3-8B-Base
Qwen/Qwen3-14B
Qwen/Qwen3-32B
Qwen/Qwen3-30B-A3B
microsoft/Phi-3-mini-4k-instruct
microsoft/Phi-3-mini-128k-instruct
microsoft/Phi-3.5-mini-instruct
microsoft/phi-4
tiiuae/falcon-7b
tiiuae/falcon-40b
TinyLlama/TinyLlama-1.1B-Chat-v0.6
EleutherAI/pythia-410m
EleutherAI/pythia-1.4b
openai-community/gpt2
openai-community/gpt2-xl
allenai/OLMoE-1B-7B-0924
HuggingFaceTB/SmolLM3-3B
deepseek-ai/DeepSeek-V3
deepseek-ai/DeepSeek-V3-Base = deepseek-ai/DeepSeek-V3
deepseek-ai/DeepSeek-R1 = deepseek-ai/DeepSeek-R1(clone)
deepseek-ai/DeepSeek-R1-Distill-Qwen-32B
openai/gpt-oss-20b
"""

#: Configs that are not at hand as files, but whose published values are well known; each is
#: confirmed by its total of parameters (tests/snapshots). Only what fixes shapes is given.
WELL_KNOWN: dict[str, dict[str, Any]] = {
    "EleutherAI/pythia-1.4b": {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "max_position_embeddings": 2048,
        "vocab_size": 50304,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
    },
    "openai-community/gpt2": {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 12,
        "n_positions": 1024,
        "vocab_size": 50257,
        "torch_dtype": "float32",
    },
    "microsoft/phi-4": {
        "architectures": ["Phi3ForCausalLM"],
        "model_type": "phi3",
        "hidden_size": 5120,
        "intermediate_size": 17920,
        "num_attention_heads": 40,
        "num_hidden_layers": 40,
        "num_key_value_heads": 10,
        "max_position_embeddings": 16384,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "vocab_size": 100352,
        "torch_dtype": "bfloat16",
    },
    "tiiuae/falcon-7b": {
        "architectures": ["FalconForCausalLM"],
        "model_type": "falcon",
        "hidden_size": 4544,
        "num_attention_heads": 71,
        "num_hidden_layers": 32,
        "alibi": False,
        "bias": False,
        "multi_query": True,
        "new_decoder_architecture": False,
        "parallel_attn": True,
        "vocab_size": 65024,
        "torch_dtype": "bfloat16",
    },
    "Qwen/Qwen2.5-72B-Instruct": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 8192,
        "intermediate_size": 29568,
        "num_attention_heads": 64,
        "num_hidden_layers": 80,
        "num_key_value_heads": 8,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "vocab_size": 152064,
        "torch_dtype": "bfloat16",
    },
}

#: Cards that are one family's, published in each of its repositories.
CARDS = {
    "meta-llama/Llama-2-": "meta-llama__llama2-MODEL_CARD.md",
    "meta-llama/Meta-Llama-3-": "meta-llama__llama3-MODEL_CARD.md",
    "meta-llama/Llama-3.1-": "NousResearch__Meta-Llama-3.1-8B.md",
    "meta-llama/Llama-3.2-": "meta-llama__llama3_2-MODEL_CARD.md",
    "deepseek-ai/DeepSeek-V3": "deepseek-ai__DeepSeek-V3-README.md",
}

#: Old tokenizer and generation settings that no figure reads.
_LEFT_OUT = ("_name_or_path", "transformers_version", "auto_map", "bos_token_id", "eos_token_id")


def generate() -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, record) of each model."""
    configs = _index(SHARED / "configs" / "INDEX.tsv", "hub_id", "file")
    remarks = _index(SHARED / "configs" / "INDEX.tsv", "hub_id", "note")
    cards = _index(SHARED / "cards" / "LABELS.tsv", "hub_id", "card_file")
    for line in MODELS.strip().splitlines():
        model, _, like = (part.strip() for part in line.partition("="))
        if model in WELL_KNOWN:
            raw = WELL_KNOWN[model]
            origin = "well-known values of its config, not the file itself"
        else:
            raw = json.loads((SHARED / "configs" / configs[like or model]).read_text("utf-8"))
            origin = f"the config published for {like}, of the same shape" if like else "its config"
            # A copy found in another place may differ from the Hub's in what no figure reads.
            parts = [part.strip() for part in remarks[like or model].split(";")]
            # The format of the weights is in the config itself.
            remark = "; ".join(part for part in parts if not part.startswith("quantized"))
            origin += f" (from a copy elsewhere: {remark})" if remark else ""
        card = cards.get(model) or _family_card(model)
        yield f"{model.replace('/', '--')}.json", _record(model, origin, raw, card)


def _index(path: Path, key: str, value: str) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    # The first row of an id is the model's own file; later ones are of its project or family.
    return {row[key]: row[value] or "" for row in reversed(rows)}


def _family_card(model: str) -> str | None:
    return next((card for start, card in CARDS.items() if model.startswith(start)), None)


def _record(model: str, origin: str, raw: dict[str, Any], card: str | None) -> dict[str, Any]:
    config = {key: value for key, value in raw.items() if key not in _LEFT_OUT}
    version = transformers().__version__
    quantization = raw.get("quantization_config")
    layout = LAYOUTS.get((raw["model_type"], (quantization or {}).get("quant_method", "")))
    missing = {}
    tensors = None
    if quantization is not None and layout is not None:
        tensors = TensorTable(layout(config, _tensors(config)))
    elif quantization is not None:
        missing["tensors"] = (
            "its weights are published in a packed or mixed format, which a snapshot does not "
            "reconstruct"
        )
    else:
        tensors = _tensors(config)
    statement = None
    if card is not None:
        text = (SHARED / "cards" / card).read_text("utf-8")
        found = pretraining(Facts(model=model, source="directory", card=text))
        statement = found.to_json()
    else:
        missing["README.md"] = "the snapshot has no model card"
    files = Files(
        model=model,
        source="snapshot",
        revision="main",
        texts={"config.json": json.dumps(config).encode()},
        tensors=tensors,
        statement=statement,
        missing=missing,
    )
    provenance = origin
    if tensors is not None:
        provenance += f"; tensors as transformers {version} saves them for it"
        if quantization is not None:
            provenance += f", packed as {quantization['quant_method']} checkpoints of its kind are"
    if card is not None:
        provenance += f"; the statement of a published model card ({_card_name(card)})"
    return dump_record(files, provenance=provenance, card=False)


def _card_name(file: str) -> str:
    """The repository that a card was published in, from the name of its file."""
    return file.removesuffix(".md").replace("__", "/", 1)


def _tensors(raw: dict[str, Any]) -> TensorTable:
    """What ``save_pretrained`` writes for a config, in the config's dtype."""
    from transformers.core_model_loading import revert_weight_conversion

    model = build(config_of(raw), whole=True)
    text = raw.get("text_config") or {}
    name = raw.get("torch_dtype") or raw.get("dtype") or text.get("torch_dtype") or "bfloat16"
    dtype = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}[name]
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    state = {key: value for key, value in dict(model.named_parameters()).items() if key not in tied}
    saved = revert_weight_conversion(model, state)
    return TensorTable(
        Tensor(name=key, dtype=dtype, shape=tuple(value.shape)) for key, value in saved.items()
    )


def main() -> None:
    """Write one file per model."""
    TARGET.mkdir(parents=True, exist_ok=True)
    names = set()
    for name, record in generate():
        names.add(name)
        (TARGET / name).write_text(_layout(record), encoding="utf-8")
        print(name, (TARGET / name).stat().st_size, flush=True)
    for path in TARGET.glob("*.json"):
        if path.name not in names:
            path.unlink()


def _layout(record: dict[str, Any]) -> str:
    """JSON with a line per part and per tensor pattern, so that changes read well."""
    lines = []
    for key, value in record.items():
        if key == "tensors" and value is not None:
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=True) for row in value)
            lines.append(f'"tensors": [\n  {rows}\n ]')
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=True)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"
