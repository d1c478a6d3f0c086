"""The option sets of the LoRA census, chosen from each model's own modules, and what a checkpoint
of it would look like. Needs torch, transformers and peft; only oracle tests import it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hfkv.generate import module_tables
from hfkv.live.build import transformers
from hfkv.live.lora import build_for


def cases(model: Any) -> dict[str, dict[str, Any]]:
    """Option sets by name, as keyword arguments of ``LoraConfig``."""
    import torch
    from transformers.pytorch_utils import Conv1D

    linear: dict[str, list[str]] = {}
    containers: dict[str, str] = {}
    for name, module in model.named_modules():
        _parent, _, leaf = name.rpartition(".")
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            linear.setdefault(leaf, []).append(name)
        elif name and not leaf.isdigit() and any(True for _ in module.children()):
            containers.setdefault(leaf, name)
    names = {id(module): name for name, module in model.named_modules()}
    out_name, in_name = (
        names.get(id(found), "")
        for found in (_embedding(model, "output"), _embedding(model, "input"))
    )
    out_leaf, in_leaf = out_name.rpartition(".")[2], in_name.rpartition(".")[2]
    leaves = sorted(leaf for leaf in linear if leaf != out_leaf and not leaf.isdigit())
    attention = [
        leaf for leaf in leaves if any(re.search("att|mixer", name) for name in linear[leaf])
    ] or leaves
    picked = attention[:4] or ["q_proj"]
    first = picked[0]
    all_linear: dict[str, Any] = {"r": 32, "target_modules": "all-linear"}
    by_name: dict[str, Any] = {"r": 8, "target_modules": picked}
    stacked = sorted(
        {name.rpartition(".")[2] for name, p in model.named_parameters() if p.dim() == 3}
    )
    flat = next((n for n, p in model.named_parameters() if p.dim() == 2 and "." in n), "lm_head")
    repeated = next((m for n in linear.get(first, []) for m in [_LAYER.match(n)] if m), None)
    return {
        "all_linear": all_linear,
        "default": {"r": 8},
        "names": by_name,
        "every_name": {"r": 4, "target_modules": leaves or ["q_proj"]},
        "one_name": {"r": 4, "target_modules": [leaves[-1] if leaves else "q_proj"]},
        "full_name": {"r": 4, "target_modules": [(linear.get(first) or ["q_proj"])[0]]},
        "no_such_name": {"r": 4, "target_modules": ["no_such_module"]},
        "regex": {"r": 8, "target_modules": rf".*\.[01]\..*({'|'.join(picked)})"},
        "regex_mlp": {"r": 8, "target_modules": r".*(mlp|feed_forward|ffn|fc|experts).*proj"},
        "exclude_names": {**all_linear, "exclude_modules": [*picked[:1], "down_proj", "fc1"]},
        "exclude_regex": {**all_linear, "exclude_modules": r".*\.0\..*"},
        "rank_pattern": {
            **all_linear,
            "r": 8,
            "rank_pattern": {first: 4, rf".*\.1\..*{picked[-1]}": 16, "down_proj": 2},
        },
        "layers_to_transform": {**by_name, "layers_to_transform": [0, 2]},
        "layers_pattern": {
            **by_name,
            "layers_to_transform": 1,
            "layers_pattern": repeated.group(1) if repeated else "layers",
        },
        "layers_and_string": {**all_linear, "layers_to_transform": [0]},
        "dora": {**all_linear, "use_dora": True},
        "dora_names": {**by_name, "use_dora": True},
        "lora_bias": {**by_name, "lora_bias": True},
        "bias_all": {**by_name, "bias": "all"},
        "bias_lora_only": {**by_name, "bias": "lora_only"},
        "save_embeddings": {
            **by_name,
            "modules_to_save": [leaf for leaf in dict.fromkeys((in_leaf, out_leaf)) if leaf],
        },
        "save_head": {**all_linear, "r": 8, "modules_to_save": [out_leaf or "lm_head"]},
        "tie_saved": {
            **by_name,
            "modules_to_save": [in_leaf or "embed_tokens"],
            "ensure_weight_tying": True,
        },
        "embeddings": {"r": 8, "target_modules": [*picked, in_leaf or "embed_tokens"]},
        "embeddings_and_head": {
            "r": 8,
            "target_modules": [leaf for leaf in (in_leaf, out_leaf) if leaf] or ["lm_head"],
        },
        "tie_targets": {
            "r": 8,
            "target_modules": [in_leaf or "embed_tokens"],
            "ensure_weight_tying": True,
        },
        "token_rows": {**by_name, "trainable_token_indices": [1, 5, 7]},
        "parameters": {"r": 8, "target_modules": [], "target_parameters": stacked or [flat]},
        "parameters_and_names": {**by_name, "target_parameters": stacked or [flat]},
        "one_parameter": {"r": 4, "target_modules": [], "target_parameters": [flat]},
        "containers": {
            "r": 8,
            "target_modules": [next((c for c in containers if "att" in c), "self_attn")],
        },
        "swapped": {**by_name, "fan_in_fan_out": True},
        "sequence_classes": {**by_name, "task_type": "SEQ_CLS"},
        "replicated": {**by_name, "layer_replication": [[0, 2], [1, 2]]},
    }


def small_config(model_type: str, name: str) -> Any:
    """The class's defaults with at most ``LAYERS`` of every layer, or plain where it needs more.

    Layers of one kind are alike, so that fewer of them show the same rules, much sooner.
    """
    path = Path(module_tables.TARGET) / f"{model_type}.json"
    table = json.loads(path.read_text(encoding="utf-8"))["classes"][name]
    plain = module_tables.default_config(model_type)
    changes: dict[str, Any] = {}
    for key in table["counts"].values():
        full = f"{table['config']}.{key}" if table["config"] else key
        value: Any = plain
        for part in full.split("."):
            value = getattr(value, part, None)
        if isinstance(value, int) and value > LAYERS:
            place = changes
            *parents, last = full.split(".")
            for part in parents:
                place = place.setdefault(part, {})
            place[last] = LAYERS
    try:
        config = module_tables.default_config(model_type, changes)
        build_for(copy.deepcopy(config), name)
    except Exception:
        return plain
    return config


LAYERS = 6


def _embedding(model: Any, side: str) -> Any:
    try:
        return getattr(model, f"get_{side}_embeddings")()
    except NotImplementedError:  # classes that transformers has no rule for
        return None


_LAYER = re.compile(r"(?:.*?\.)?([^.]+)\.\d+\.")


def published(model: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """What ``save_pretrained`` would write: names, safetensors dtypes and shapes."""
    import torch
    from transformers.core_model_loading import revert_weight_conversion

    transformers()
    dtypes = {
        torch.bfloat16: "BF16",
        torch.float32: "F32",
        torch.float16: "F16",
        torch.int64: "I64",
        torch.int32: "I32",
        torch.uint8: "U8",
        torch.int8: "I8",
        torch.bool: "BOOL",
        torch.float64: "F64",
        torch.complex64: "C64",
    }
    state = {k: v for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)}
    for name in getattr(model, "_keys_to_ignore_on_save", None) or ():
        state.pop(name, None)
    first: dict[int, str] = {}
    tied = [re.compile(pattern) for pattern in (model.all_tied_weights_keys or {})]
    # A parameter under several names is written once, under the one that others are tied to.
    for name in sorted(state, key=lambda n: any(t.fullmatch(n) or t.search(n) for t in tied)):
        try:
            tensor = model.get_parameter_or_buffer(name)
        except AttributeError:
            continue
        if first.setdefault(id(tensor), name) != name:
            del state[name]
    saved = revert_weight_conversion(model, state)
    if not _loads(model, saved):
        # transformers cannot load what it writes of this class; the names in memory it can.
        saved = state
    return [(name, dtypes[tensor.dtype], tuple(tensor.shape)) for name, tensor in saved.items()]


def _loads(model: Any, names: Iterable[str]) -> bool:
    """Whether each of the names reaches a parameter or a buffer on loading."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import (
        WeightRenaming,
        dot_natural_key,
        rename_source_key,
    )

    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    others = [rule for rule in rules if not isinstance(rule, WeightRenaming)]
    known = model.state_dict()
    for name in sorted(names, key=dot_natural_key):
        found, _ = rename_source_key(name, renamings, others, model.base_model_prefix, known)
        if found not in known and name not in known:
            return False
    return True
