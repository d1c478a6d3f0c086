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
meta-llama/Llama-3.1-8B-Instruct = meta-llama/Meta-Llama-3.1-8B-Instruct
meta-llama/Llama-3.1-70B-Instruct
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
Qwen/Qwen2.5-7B-Instruct
Qwen/Qwen2.5-14B
Qwen/Qwen3-4B
Qwen/Qwen3-8B
Qwen/Qwen3-8B-Base
Qwen/Qwen3-14B
Qwen/Qwen3-32B
Qwen/Qwen3-30B-A3B
microsoft/Phi-3-mini-4k-instruct
microsoft/Phi-3-mini-128k-instruct
microsoft/Phi-3.5-mini-instruct
tiiuae/falcon-40b
EleutherAI/pythia-410m
openai-community/gpt2-xl
allenai/OLMoE-1B-7B-0924
HuggingFaceTB/SmolLM3-3B
deepseek-ai/DeepSeek-V3
deepseek-ai/DeepSeek-R1-Distill-Qwen-32B
openai/gpt-oss-20b
"""

#: Cards that are one family's, published in each of its repositories.
CARDS = {
    "meta-llama/Llama-2-": "meta-llama__llama2-MODEL_CARD.md",
    "meta-llama/Meta-Llama-3-": "meta-llama__llama3-MODEL_CARD.md",
    "meta-llama/Llama-3.2-": "meta-llama__llama3_2-MODEL_CARD.md",
    "deepseek-ai/DeepSeek-V3": "deepseek-ai__DeepSeek-V3-README.md",
}

#: Old tokenizer and generation settings that no figure reads.
_LEFT_OUT = ("_name_or_path", "transformers_version", "auto_map", "bos_token_id", "eos_token_id")


def generate() -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, record) of each model."""
    configs = _index(SHARED / "configs" / "INDEX.tsv", "hub_id", "file")
    cards = _index(SHARED / "cards" / "LABELS.tsv", "hub_id", "card_file")
    for line in MODELS.strip().splitlines():
        model, _, like = (part.strip() for part in line.partition("="))
        file = configs[like or model]
        raw = json.loads((SHARED / "configs" / file).read_text("utf-8"))
        yield (
            f"{model.replace('/', '--')}.json",
            _record(model, like, raw, cards.get(model) or _family_card(model)),
        )


def _index(path: Path, key: str, value: str) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[key]: row[value] for row in csv.DictReader(file, delimiter="\t")}


def _family_card(model: str) -> str | None:
    return next((card for start, card in CARDS.items() if model.startswith(start)), None)


def _record(model: str, like: str, raw: dict[str, Any], card: str | None) -> dict[str, Any]:
    config = {key: value for key, value in raw.items() if key not in _LEFT_OUT}
    version = transformers().__version__
    quantized = raw.get("quantization_config") is not None
    missing = {}
    tensors = None
    if quantized:
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
    source = (
        f"the config published for {like}, which has the same shape"
        if like
        else ("its published config")
    )
    files = Files(
        model=model,
        source="snapshot",
        revision="main",
        texts={"config.json": json.dumps(config).encode()},
        tensors=tensors,
        statement=statement,
        missing=missing,
    )
    provenance = source
    if tensors is not None:
        provenance += f"; tensors as transformers {version} saves them for it"
    if card is not None:
        provenance += "; the statement of its published model card"
    return dump_record(files, provenance=provenance, card=False)


def _tensors(raw: dict[str, Any]) -> TensorTable:
    """What ``save_pretrained`` writes for a config, in the config's dtype."""
    from transformers.core_model_loading import revert_weight_conversion

    model = build(config_of(raw))
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
