"""Write ``hfkv/data/module_names``: which tensors of a checkpoint are which modules in memory.

For every text-generating class of the pinned transformers, built from its default config on the
meta device: each module that has parameters, its kind as PEFT sees it, and for each parameter the
names under which ``save_pretrained`` writes it (transformers renames, splits and fuses on loading).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hfkv.live.build import build, pairs, transformers
from hfkv.tensors import template

__all__ = ["describe_model", "generate", "main"]

TARGET = Path(__file__).parent.parent / "data" / "module_names"


def module_kind(module: Any) -> str:
    """The kind of a module, as PEFT's LoRA dispatch would see it."""
    import torch
    from transformers.pytorch_utils import Conv1D

    for kind, classes in (
        ("linear", torch.nn.Linear),
        ("conv1d_linear", Conv1D),
        ("embedding", torch.nn.Embedding),
        ("conv1d", torch.nn.Conv1d),
        ("conv2d", torch.nn.Conv2d),
        ("conv3d", torch.nn.Conv3d),
        ("multihead", torch.nn.MultiheadAttention),
    ):
        if isinstance(module, classes):
            return kind
    return "other"


def describe_model(model: Any) -> dict[str, Any]:
    """The table of one model: rows ``[module, kind, parameter, saved patterns, shape]``."""
    names = {id(module): name for name, module in model.named_modules()}
    output = model.get_output_embeddings()
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for name, module in model.named_modules():
        for parameter, tensor in module.named_parameters(recurse=False):
            key = (template(name)[0], module_kind(module), parameter)
            if key not in rows:
                full = f"{name}.{parameter}" if name else parameter
                rows[key] = [*key, _saved(model, full, tensor), tensor.dim()]
    kinds: dict[str, set[str]] = {}
    for pattern, kind, _ in rows:
        kinds.setdefault(pattern, set()).add(kind)
    return {
        "output": names.get(id(output)) if output is not None else None,
        "tied": sorted(getattr(model, "_tied_weights_keys", None) or {}),
        "ignored": list(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or []),
        # A list whose items differ in kind cannot be told apart by pattern.
        "mixed": sorted(pattern for pattern, found in kinds.items() if len(found) > 1),
        "rows": list(rows.values()),
    }


def _saved(model: Any, name: str, tensor: Any) -> list[str] | None:
    """Patterns of the tensors that a parameter is saved as; None where that cannot be told."""
    from transformers.core_model_loading import revert_weight_conversion

    try:
        saved = revert_weight_conversion(model, {name: tensor})
    except Exception:  # a conversion that needs several parameters at once
        return None
    return list(dict.fromkeys(template(key)[0] for key in saved))


def generate(only: list[str] | None = None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Tables by model_type and class, and what could not be built with the reason."""
    library = transformers()
    tables: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for model_type, name in pairs():
        if only and model_type not in only:
            continue
        try:
            model = build(library.CONFIG_MAPPING[model_type](), name=name)
            tables.setdefault(model_type, {})[name] = describe_model(model)
        except Exception as error:
            failed[f"{model_type} {name}"] = f"{type(error).__name__}: {str(error)[:200]}"
        print(model_type, name, failed.get(f"{model_type} {name}", "ok"), flush=True)
    return tables, failed


def main() -> None:
    """Write one file per model_type."""
    TARGET.mkdir(parents=True, exist_ok=True)
    tables, failed = generate(sys.argv[2:])
    version = transformers().__version__
    for model_type, classes in tables.items():
        content = {"transformers": version, "classes": classes}
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
        (TARGET / f"{model_type}.json").write_text(text + "\n", encoding="utf-8")
    for key, reason in failed.items():
        print("left out:", key, reason)
