"""Record what the pinned transformers caches hold, for the tests that run without it.

``python -m tests.census.goldens [TYPE ...]`` writes ``tests/fixtures/cache_goldens``, one file per
text-generating class of each type in the registry (and a few for variants of it): the default
config and the tensors of every layer at several lengths.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.census.runnable import RUNNABLE, stand_in_for_timm

FOLDER = Path(__file__).parent.parent / "fixtures" / "cache_goldens"

#: Lengths to record beside the usual ones: windows and rates under other keys, and some thousands.
MORE_LENGTHS: dict[str, tuple[int, ...]] = {
    "deepseek_v4": (3, 4, 5, 8, 129, 255, 256, 257, 3000),
    "dots3_note": (511, 512, 513),
    "flint": (3000,),
    "gemma4_text": (3000,),
    "glm_moe_dsa": (3000,),
    "hrm_text": (2000,),
    "inkling2_text": (1023, 1024, 1025),
    "inkling_text": (511, 512, 513),
    "kimi_linear": (3000,),
    "lfm2": (3000,),
    "longcat_flash": (3000,),
    "mimo_v2_flash": (3000,),
    "minimax": (3000,),
    "mistral_large4": (3000,),
    "nemotron_h": (3000,),
    "recurrent_gemma": (2047, 2049),
    "reformer": (63, 64, 65, 66, 67),
    "xlnet": (511, 512, 513),
}

#: Types whose defaults keep no cache: as a decoder, and as a decoder beside an encoder.
_BERT = """bert bert-generation camembert data2vec-text electra ernie rembert roberta
roberta-prelayernorm roc_bert roformer xlm-roberta xlm-roberta-xl xmod""".split()
#: Further configs to record: suffix of the file to what differs from the defaults.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    **{key: {"decoder": {"is_decoder": True, "add_cross_attention": True}} for key in _BERT},
    **{key: {"decoder": {"is_decoder": True}} for key in ("big_bird", "megatron-bert")},
    "gpt2": {"cross": {"add_cross_attention": True}},
    "xglm": {"cross": {"add_cross_attention": True}},
    "blip-2": {"t5": {"text_config": {"model_type": "t5"}}},
    "vision-encoder-decoder": {
        "trocr": {"decoder": {"model_type": "trocr", "is_decoder": True}},
        "gpt2": {"decoder": {"model_type": "gpt2", "add_cross_attention": True}},
        "mbart": {"decoder": {"model_type": "mbart", "decoder_layers": 4}},
    },
}
_WINDOWS = ("sliding_window", "attention_chunk_size")


def lengths(config: Any, model_type: str) -> list[int]:
    """1, 2, some hundreds, just below, at and above each window, and where else a curve bends."""
    found = {1, 2, 300, *MORE_LENGTHS.get(model_type, ())}
    for key in _WINDOWS:
        window = config.to_dict().get(key)
        if isinstance(window, int) and 2 < window < 9000:
            found |= {window - 1, window, window + 1}
    return sorted(found)


def questions(model: Any, text: Any, model_type: str) -> list[dict[str, int]]:
    """The lengths to record: of tokens and, where there can be one, of an encoder's output."""
    from hfkv.live.inputs import attends_to_an_encoder

    asked = lengths(text, model_type)
    if not attends_to_an_encoder(model):
        return [{"tokens": tokens} for tokens in asked]
    encoders = (7, 1, 1500) if model.config.is_encoder_decoder else (7, 0, 1500)
    # Short of the last position: some classes look ahead, or begin to count above 0.
    most = getattr(text, "max_position_embeddings", None) or 2000
    return [
        {"tokens": tokens, "encoder_tokens": encoders[number % 3]}
        for number, tokens in enumerate([*asked, min(2000, most * 3 // 4)])
    ]


def compact(layers: Iterable[Any]) -> list[list[Any]]:
    """Runs of equal layers: ``[how many, tensors]``."""
    runs: list[list[Any]] = []
    for layer in layers:
        tensors = [[name, list(shape), dtype] for name, shape, dtype in layer]
        if runs and runs[-1][1] == tensors:
            runs[-1][0] += 1
        else:
            runs.append([1, tensors])
    return runs


def record(
    model_type: str,
    name: str | None = None,
    variant: str = "",
    asked: list[dict[str, int]] | None = None,
) -> dict[str, Any]:
    """The default config of a type, or a variant of it, and what its cache holds.

    ``asked`` are the lengths, where they are not those of :func:`questions`.
    """
    from hfkv.live.build import build, transformers
    from hfkv.live.filled_cache import read_cache, run

    stand_in_for_timm()
    overrides = {**RUNNABLE.get(model_type, {}), **RUNNABLE.get(name or "", {})}
    overrides |= VARIANTS[model_type][variant] if variant else {}
    config = transformers().CONFIG_MAPPING[model_type](**overrides)
    raw = json.loads(config.to_json_string(use_diff=False))
    raw["architectures"] = [name]
    text = config.get_text_config(decoder=True)
    model = build(config, name=name)
    return {
        "model_type": model_type,
        "class": name or type(model).__name__,
        **({"variant": variant} if variant else {}),
        "config": {key: value for key, value in raw.items() if key not in _LEFT_OUT},
        "runs": [
            {**question, "layers": compact(read_cache(run(model, **question)))}
            for question in asked or questions(model, text, model_type)
        ],
    }


_LEFT_OUT = ("id2label", "label2id", "vision_config", "transformers_version", "_name_or_path")


@cache
def load() -> list[dict[str, Any]]:
    """Every recording, by name, to be looked at and left as it is."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def title(golden: dict[str, Any]) -> str:
    """A recording's own name, for reports."""
    parts = (golden["model_type"], golden["class"], golden.get("variant", ""))
    return "-".join(part for part in parts if part)


def made(types: Sequence[str]) -> Iterator[tuple[str, str | Exception]]:
    """The recordings of these types, or of every exact row that has a class: each file's name with
    its text, or with what kept it from being made."""
    from hfkv.cache import ROWS
    from hfkv.live.build import pairs, transformers

    for model_type, cls in pairs():
        row = ROWS.get(model_type)
        if (types and model_type not in types) or row is None or row.basis != "exact":
            continue
        for variant in ("", *VARIANTS.get(model_type, ())):
            name = "-".join(part for part in (model_type, cls, variant) if part)
            try:
                value = record(model_type, cls, variant)
            except Exception as error:
                yield name, error
            else:
                value = {"transformers": transformers().__version__, **value}
                yield name, json.dumps(value, separators=(",", ":")) + "\n"


def main(types: Sequence[str]) -> None:
    """Write the recordings."""
    for name, found in made(types):
        if isinstance(found, str):
            (FOLDER / f"{name}.json").write_text(found)
        else:
            print("left out:", name, type(found).__name__, str(found)[:100])


if __name__ == "__main__":
    main(sys.argv[1:])
