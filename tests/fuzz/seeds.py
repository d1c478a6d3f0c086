"""Good files to start from: mutations of these go deeper than bytes out of the air."""

from __future__ import annotations

import base64
import json
import struct
import zlib

from tests.facts.test_gguf import CASES

__all__ = ["SEEDS"]


def _safetensors() -> bytes:
    entries = {
        "__metadata__": {"format": "pt"},
        "model.layers.0.self_attn.k_proj.weight": {
            "dtype": "BF16",
            "shape": [2, 3],
            "data_offsets": [0, 12],
        },
        "b": {"dtype": "F4", "shape": [4], "data_offsets": [12, 14]},
        "c": {"dtype": "F9", "shape": [], "data_offsets": [14, 17]},
    }
    raw = json.dumps(entries, separators=(",", ":")).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(17)


def _gguf(case: str) -> bytes:
    raw = zlib.decompress(base64.b64decode(CASES[case]["header"]))
    return raw + bytes(max(0, CASES[case]["size"] - len(raw)))


def _configs() -> list[bytes]:
    names = ("llama", "gemma2", "deepseek_v3", "gpt2", "falcon-40b", "exaone4", "smollm3")
    return [json.dumps(CASES[name]["config"]).encode() for name in names]


SEEDS: dict[str, list[bytes]] = {
    "header": [_safetensors(), struct.pack("<Q", 2) + b"{}"],
    "gguf": [_gguf(case) for case in ("lfm2", "phi3-full", "deepseek_v3-q8")],
    "config": _configs(),
    "card": [
        b"---\nbase_model: a/b\n---\n# Foo 7B\n\nFoo was pretrained on 1.5T tokens.\n",
        b"| model | Training tokens |\n|---|---|\n| Foo-7B | 15T+ |\n| Foo-70B | 2 trillion |\n",
        "在 1.4 万亿 tokens 上训练\n<table><tr><td>3T tokens</td></tr></table>".encode(),
    ],
    "index": [json.dumps({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}).encode()],
    "adapter": [
        json.dumps(
            {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "rank_pattern": {"k": 4}}
        ).encode()
    ],
    "start_log": [
        b"llama_context: n_ctx = 4096\nllama_kv_cache: size = 4.00 MiB (  4096 cells,   2 layers,  "
        b"1/1 seqs), K (f16):    2.00 MiB, V (f16):    2.00 MiB\n",
        b"non-default args: {'max_model_len': 4096, 'tensor_parallel_size': 2}\nAvailable KV cache "
        b"memory: 1.00 GiB\nGPU KV cache size: 1,000 tokens, Maximum concurrency for 4,096 tokens "
        b"per request: 2.00x\n",
        b"server_args=ServerArgs(tp_size=1, page_size=16)\nKV Cache is allocated. dtype: "
        b"torch.bfloat16, #tokens: 291271, K size: 20.00 GB, V size: 20.00 GB\n",
    ],
}
