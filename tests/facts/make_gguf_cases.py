# ruff: noqa: E501 (a table)
"""Write ``gguf.jsonl``: ``python -m tests.facts.make_gguf_cases LLAMA_CPP [CASE...]``.

``LLAMA_CPP`` is a checkout of llama.cpp, whose ``gguf-py`` and ``conversion`` are used; the file in
the repository was written with the one that llama-cpp-python 0.3.36 carries. Needs torch and the
pinned transformers. Each case is a tiny model with random weights, saved and then converted; of the
GGUF file the header is kept. Cases that are not named stay as they are.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "gguf.jsonl"

_SIZES: dict[str, Any] = {
    "hidden_size": 96,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 160,
    "vocab_size": 99,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
#: Keys of a saved config that decide no size.
_LEFT_OUT = {
    "transformers_version", "dtype", "torch_dtype", "initializer_range", "use_cache", "bos_token_id",
    "eos_token_id", "pad_token_id", "hidden_act", "attention_dropout", "rms_norm_eps",
    "rope_parameters", "max_position_embeddings",
}  # fmt: skip


def _v(**more: Any) -> dict[str, Any]:
    return {**_SIZES, **more}


_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
_ROUTED = {
    "n_routed_experts": 4, "n_shared_experts": 1, "moe_intermediate_size": 48, "n_group": 1,
    "first_k_dense_replace": 1, "num_experts_per_tok": 2, "topk_group": 1,
}  # fmt: skip
_LATENT = {
    "num_key_value_heads": 6, "kv_lora_rank": 32, "q_lora_rank": 40, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16, "v_head_dim": 20,
}  # fmt: skip
_DELTA = {
    "head_dim": 24, "num_hidden_layers": 4, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": 32, "linear_value_head_dim": 32,
}  # fmt: skip
_SHARED = {"shared_expert_intermediate_size": 80}
_EIGHT = {"num_hidden_layers": 8, "sliding_window": 64}
_OLD = {"num_hidden_layers": 3, "vocab_size": 99}
_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 128,
}  # fmt: skip
_YARN = {
    "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "mscale": 1.0, "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1, "original_max_position_embeddings": 128, "beta_fast": 32.0,
    "beta_slow": 1.0,
}  # fmt: skip

#: Case to model type and config. ``-q8`` is quantized, ``-split`` is in parts, ``-fused`` has one
#: tensor for query, key and value.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "afmoe": ("afmoe", _v(head_dim=24, **_EIGHT, **_EXPERTS, num_dense_layers=1, num_shared_experts=1)),
    "apertus": ("apertus", _v()),
    "arcee": ("arcee", _v(head_dim=24)),
    "bloom": ("bloom", {"hidden_size": 96, "n_head": 6, "n_layer": 3, "vocab_size": 99}),
    "cohere": ("cohere", _v()),
    "cohere2": ("cohere2", _v(rotary_pct=1.0, **_EIGHT)),
    "deepseek_v2": ("deepseek_v2", _v(**{**_LATENT, **_ROUTED, "n_shared_experts": 2}, topk_method="greedy")),
    "deepseek_v3": ("deepseek_v3", _v(**{**_LATENT, **_ROUTED, "n_group": 2})),
    "deepseek_v3-noqlora": ("deepseek_v3", _v(**{**_LATENT, **_ROUTED, "n_group": 2, "q_lora_rank": None})),
    "deepseek_v3-q8": (
        "deepseek_v3",
        _v(**{
            **_LATENT, **_ROUTED, "n_group": 2, "q_lora_rank": 64, "qk_nope_head_dim": 32,
            "v_head_dim": 16, "moe_intermediate_size": 64,
        }),
    ),
    "dots1": ("dots1", _v(head_dim=24, **_ROUTED)),
    "ernie4_5": ("ernie4_5", _v(head_dim=24)),
    "ernie4_5_moe": (
        "ernie4_5_moe",
        _v(moe_num_experts=4, moe_k=2, moe_intermediate_size=48, moe_layer_start_index=1, moe_num_shared_experts=1),
    ),
    "exaone4": ("exaone4", _v(head_dim=24, sliding_window_pattern=4, **_EIGHT)),
    "falcon-40b": ("falcon", {**_OLD, "hidden_size": 96, "num_attention_heads": 6, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-7b": ("falcon", {**_OLD, "hidden_size": 96, "num_attention_heads": 6, "num_kv_heads": 1, "multi_query": True}),
    "gemma": ("gemma", _v(head_dim=24)),
    "gemma2": ("gemma2", _v(head_dim=24, num_hidden_layers=4, sliding_window=64)),
    "gemma3_text": ("gemma3_text", _v(head_dim=24, **_EIGHT)),
    "glm4": ("glm4", _v(head_dim=24)),
    "glm4_moe": ("glm4_moe", _v(head_dim=24, **_ROUTED)),
    "gpt2": ("gpt2", {"n_ctx": 512, "n_embd": 96, "n_head": 6, "n_layer": 3, "vocab_size": 99, "n_positions": 512}),
    "gpt_neox": ("gpt_neox", _v()),
    "gpt_oss": ("gpt_oss", _v(head_dim=24, num_hidden_layers=4, sliding_window=64, num_local_experts=4, num_experts_per_tok=2)),
    "gpt_oss-q8": ("gpt_oss", _v(head_dim=16, num_hidden_layers=4, sliding_window=64, num_local_experts=4, num_experts_per_tok=2)),
    "granite": ("granite", _v()),
    "granite_swa": ("granite_swa", _v(**_EIGHT)),
    "granitemoe": ("granitemoe", _v(num_local_experts=4, num_experts_per_tok=2)),
    "granitemoeshared": ("granitemoeshared", _v(num_local_experts=4, num_experts_per_tok=2, shared_intermediate_size=80)),
    "hunyuan_v1_dense": ("hunyuan_v1_dense", _v(head_dim=24)),
    "internlm3": ("internlm3", _v(head_dim=24)),
    "jais2": ("jais2", _v()),
    "laguna": ("laguna", _v(head_dim=24)),
    "lfm2": (
        "lfm2",
        _v(num_hidden_layers=4, layer_types=["conv", "full_attention"] * 2, block_auto_adjust_ff_dim=False),
    ),
    "llama": ("llama", _v(head_dim=16)),
    "llama-fused": ("llama", _v(head_dim=16)),
    "llama-split": ("llama", _v(head_dim=16)),
    "llama-tied": ("llama", _v(tie_word_embeddings=True, head_dim=24, attention_bias=True)),
    "llama3-rope": ("llama", _v(rope_parameters=_LLAMA3)),
    "mamba": ("mamba", {**_OLD, "hidden_size": 96, "state_size": 8, "time_step_rank": 6}),
    "mellum": ("mellum", _v()),
    "minicpm3": ("minicpm3", _v(**_LATENT)),
    "ministral3": ("ministral3", _v(head_dim=24, rope_parameters=_YARN)),
    "minimax_m2": ("minimax_m2", _v(rotary_dim=16, head_dim=24, num_local_experts=4, num_experts_per_tok=2)),
    "mistral": ("mistral", _v(head_dim=24, sliding_window=None)),
    "mixtral": ("mixtral", _v(num_local_experts=4, sliding_window=None)),
    "mixtral-fused": ("mixtral", _v(num_local_experts=4, sliding_window=None)),
    "nemotron": ("nemotron", _v()),
    "olmo": ("olmo", _v()),
    "olmo2": ("olmo2", _v()),
    "olmo3": ("olmo3", _v(**_EIGHT)),
    "olmoe": ("olmoe", _v(num_experts=4, num_experts_per_tok=2)),
    "phi": ("phi", _v(num_key_value_heads=6)),
    "phi3": ("phi3", _v(sliding_window=64)),
    "phi3-full": ("phi3", _v(sliding_window=None)),
    "qwen2": ("qwen2", _v()),
    "qwen2-fused": ("qwen2", _v(head_dim=16)),
    "qwen2_moe": ("qwen2_moe", _v(**_EXPERTS, **_SHARED)),
    "qwen3": ("qwen3", _v(head_dim=24)),
    "qwen3_5_moe_text": ("qwen3_5_moe_text", _v(**_DELTA, **_EXPERTS, **_SHARED)),
    "qwen3_5_text": ("qwen3_5_text", _v(**_DELTA)),
    "qwen3_moe": ("qwen3_moe", _v(head_dim=24, **_EXPERTS)),
    "qwen3_moe-q8": ("qwen3_moe", _v(head_dim=16, **{**_EXPERTS, "moe_intermediate_size": 64})),
    "seed_oss": ("seed_oss", _v(head_dim=24)),
    "smollm3": ("smollm3", _v(num_hidden_layers=4)),
    "stablelm": ("stablelm", _v()),
    "starcoder2": ("starcoder2", _v()),
}  # fmt: skip


def _no_tokenizer(self: Any) -> None:
    self.gguf_writer.add_tokenizer_model("gpt2")
    self.gguf_writer.add_token_list([f"t{number}" for number in range(99)])


def _convert(case: str, folder: Path) -> list[dict[str, Any]]:
    """The lines of one case: of a split file one for each part."""
    import gguf
    import torch
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class
    from transformers import AutoConfig, AutoModelForCausalLM

    model_type, options = CASES[case]
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **options)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text('{"added_tokens": [], "model": {"vocab": {}}}')
    (folder / "tokenizer_config.json").write_text("{}")
    name = get_model_architecture(ModelBase.load_hparams(folder, False), ModelType.TEXT)
    converter = get_model_class(name)
    inner = [item for item in vars(converter).values() if isinstance(item, type)]
    for base in (*converter.__mro__, *inner):
        if "set_vocab" in base.__dict__ or base in inner:
            base.set_vocab = _no_tokenizer
    if model_type.startswith("qwen3_5"):
        converter.no_mtp = True
    more: dict[str, Any] = {}
    if case.endswith("-fused"):
        more = {"fuse_qkv": True}
    elif case.endswith("-split"):
        more = {"split_max_tensors": 9}
    kinds = gguf.LlamaFileType
    kind = kinds.MOSTLY_Q8_0 if case.endswith("-q8") else kinds.MOSTLY_F16
    made = converter(folder, kind, folder / f"{case}.gguf", **more)
    if model_type == "gpt_neox":
        made.hparams["rotary_pct"] = 0.25
    made.write()
    return [_line(path, folder) for path in sorted(folder.glob("*.gguf"))]


def _line(path: Path, folder: Path) -> dict[str, Any]:
    import gguf

    raw = path.read_bytes()
    begin = int(gguf.GGUFReader(path).data_offset)
    line: dict[str, Any] = {
        "case": path.stem,
        "header": base64.b64encode(zlib.compress(raw[:begin], 9)).decode(),
        "size": len(raw),
    }
    if "-split-" not in path.stem or "-00001-of-" in path.stem:
        config = json.loads((folder / "config.json").read_text())
        head = (folder / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", head[:8])
        entries = json.loads(head[8 : 8 + length])
        entries.pop("__metadata__", None)
        line["config"] = {key: item for key, item in config.items() if key not in _LEFT_OUT}
        line["published"] = {name: item["shape"] for name, item in sorted(entries.items())}
    return line


def main() -> None:
    """Write the cases that are asked for, or all of them."""
    checkout, *asked = sys.argv[1:]
    sys.path[:0] = [checkout, f"{checkout}/gguf-py"]
    lines = {}
    if OUT.exists():
        lines = {line["case"]: line for line in map(json.loads, OUT.read_text().splitlines())}
    for case in asked or CASES:
        with tempfile.TemporaryDirectory() as folder:
            # The folder's name becomes the model's.
            for line in _convert(case, Path(folder) / case):
                lines[line["case"]] = line
    text = [json.dumps(line, separators=(",", ":")) for _, line in sorted(lines.items())]
    OUT.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
