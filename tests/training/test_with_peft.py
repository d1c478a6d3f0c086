"""The tensors that PEFT trains and writes, in memory and on disk, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.dtypes import torch_name
from hfkv.errors import UnsupportedError
from hfkv.peft.lora.tensors import tensors
from hfkv.training import training
from tests.peft.test_snippets import CASES
from tests.peft.tiny import CONFIG

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

#: Configs whose single tensors are not listed, or whose layers are others: refused, never wrong.
REFUSED = {"monteclora_config", "use_bdlora", "layer_replication"}


def _base(folder: Path, tied: bool, dtype: str) -> Any:
    import torch
    import transformers

    config = transformers.LlamaConfig(**{**CONFIG, "tie_word_embeddings": tied, "dtype": dtype})
    made = transformers.LlamaForCausalLM(config).to(getattr(torch, dtype))
    made.save_pretrained(folder)
    return transformers.LlamaForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("config", CASES, ids=str)
def test_what_is_trained_and_what_is_written(
    config: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    import peft

    tied = bool(config.get("ensure_weight_tying"))
    asked = {"r": 8, "target_modules": "all-linear", **config}
    base = _base(tmp_path / "base", tied, dtype)
    try:
        real = peft.get_peft_model(base, peft.LoraConfig(**asked))
    except Exception:
        pytest.skip("PEFT refuses it, as tests/peft/test_snippets.py says")
    model = hfkv.load(str(tmp_path / "base"))
    try:
        figure = model.lora(asked)
        listed = tensors(model.built, figure)
        held = training(model.base, figure)
    except UnsupportedError:
        nested = config.get("modules_to_save") in (["mlp", "up_proj"], ["layers.1", "up_proj"])
        adapted = config.get("modules_to_save") == ["mlp"]
        mica = config.get("target_modules") == ["embed_tokens"] and "init_lora_weights" in config
        assert REFUSED & set(config) or nested or adapted or mica
        return
    parts = {part.name: part.bytes for part in held.parts}
    trained = [item for item in real.parameters() if item.requires_grad]
    assert sorted(tuple(item.shape) for item in trained if item.dim() > 1) == sorted(
        item.shape for item in listed if item.trained and len(item.shape) > 1
    )
    assert sum(item.numel() * item.element_size() for item in trained) == parts["gradients"]
    everything = sum(item.numel() * item.element_size() for item in real.parameters())
    assert parts["weights"] + parts["adapter"] == everything
    real.save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    if held.saved_tensor_bytes is not None:
        header = int.from_bytes(file.read_bytes()[:8], "little")
        assert held.saved_tensor_bytes == file.stat().st_size - 8 - header
    if held.saved_file_bytes is not None:
        assert held.saved_file_bytes == file.stat().st_size


MODELS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_head": 4, "n_layer": 2, "vocab_size": 64, "n_positions": 32},
    "qwen3": {"head_dim": 8},
    "qwen3_moe": {"head_dim": 8, "num_experts": 4, "moe_intermediate_size": 16},
    "gpt_oss": {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
    "ernie4_5_moe": {"moe_num_experts": 4, "moe_intermediate_size": 16, "moe_layer_start_index": 0},
    "falcon": {"num_kv_heads": 2, "ffn_hidden_size": 64},
    "t5": {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4, "vocab_size": 64},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 32},
    "mamba": {"state_size": 4},
}
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 64,
}


def _small(name: str, folder: Path) -> Any:
    import transformers
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    )

    own = {} if name in ("gpt2", "t5") else COMMON
    config = transformers.AutoConfig.for_model(name, **{**own, **MODELS[name]})
    mapping = (
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
        if config.is_encoder_decoder
        else MODEL_FOR_CAUSAL_LM_MAPPING
    )
    cls = mapping[type(config)]
    made = cls(config)
    made.save_pretrained(folder)
    return cls


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_the_base_model_as_it_is_loaded(name: str, dtype: str, tmp_path: Path) -> None:
    import torch

    cls = _small(name, tmp_path)
    real = cls.from_pretrained(tmp_path, dtype=getattr(torch, dtype))
    model = hfkv.load(str(tmp_path))
    from hfkv.training.loaded import loaded

    found = {item.name: item for item in loaded(model.base, dtype).held}
    for key, parameter in real.named_parameters():
        assert torch_name(found[key].element) == str(parameter.dtype).removeprefix("torch."), key
        assert found[key].bytes == parameter.numel() * parameter.element_size()
    assert len(found) == len(dict(real.named_parameters()))


@pytest.mark.parametrize("name", MODELS)
def test_what_bitsandbytes_would_pack(name: str, tmp_path: Path) -> None:
    import torch
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    real = _small(name, tmp_path).from_pretrained(tmp_path, dtype=torch.bfloat16)
    skip = [*get_keys_to_not_convert(real), *(real._keep_in_fp32_modules or ())]
    chosen = {
        f"{key}.weight"
        for key, module in real.named_modules()
        if should_convert_module(key, skip)
        and (isinstance(module, Conv1D) or type(module) is torch.nn.Linear)
    }
    from hfkv.training.loaded import loaded

    held = loaded(hfkv.load(str(tmp_path)).base, "4bit").held
    assert {item.name for item in held if not item.element} == chosen


@pytest.mark.parametrize("name", ["llama", "qwen3", "mistral"])
def test_what_autograd_keeps_lies_between_the_estimates(name: str, tmp_path: Path) -> None:
    """With a fused attention and autocast; eager attention keeps more than the upper estimate."""
    import peft
    import torch
    import transformers

    sizes = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "head_dim": 16}
    config = transformers.AutoConfig.for_model(name, **{**COMMON, **sizes})
    made = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.bfloat16, attn_implementation="sdpa"
    )
    made.save_pretrained(tmp_path)
    model = hfkv.load(str(tmp_path))
    options = {"base_dtype": "bf16", "batch": 2, "sequence": 128}
    found = model.training(model.lora(r=4), **options).activations
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    adapted = peft.get_peft_model(made, peft.LoraConfig(r=4, target_modules="all-linear")).train()
    own = {item.untyped_storage().data_ptr() for item in adapted.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.arange(256).view(2, 128) % 64
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        adapted(input_ids=ids, labels=ids)
    assert found.low <= sum(storage.nbytes() for storage in kept.values()) <= found.high


def test_fsdp_cuts_as_it_is_counted(tmp_path: Path) -> None:
    """One of eight GPUs, its pieces on the meta device, without another process."""
    import peft
    import torch
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    base = _base(tmp_path, False, "bfloat16")
    config = {
        "r": 3,
        "target_modules": "all-linear",
        "modules_to_save": ["lm_head"],
        "use_dora": True,
    }
    real = peft.get_peft_model(base, peft.LoraConfig(**config)).to("meta")
    for item in real.parameters():
        if item.requires_grad:  # as accelerate does in mixed precision
            item.data = item.data.to(torch.float32)
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    try:
        mesh = torch.distributed.init_device_mesh("cpu", (8,))
        for module in real.modules():
            if type(module).__name__ == "LlamaDecoderLayer":
                fully_shard(module, mesh=mesh)
        fully_shard(real, mesh=mesh)
        model = hfkv.load(str(tmp_path))
        held = model.training(model.lora(config), strategy="fsdp", gpus=8)
        parts = {part.name: part.bytes for part in held.parts}
        local = {name: item.to_local() for name, item in real.named_parameters()}
        sizes = {name: item.numel() * item.element_size() for name, item in local.items()}
        trained = {name for name, item in real.named_parameters() if item.requires_grad}
        assert parts["weights"] + parts["adapter"] == sum(sizes.values())
        assert parts["gradients"] == sum(sizes[name] for name in trained)
        assert parts["optimizer"] == sum(2 * sizes[name] + 4 for name in trained)
        assert held.basis == "exact"
    finally:
        dist.destroy_process_group()
