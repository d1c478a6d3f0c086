"""torchtune's YAML, where its fields map: ``model`` is a LoRA builder with ``lora_attn_modules``.

torchtune names modules in its own way (``output_proj`` is the attention's ``o_proj``), takes no
other names than its four, and does not say which model on the Hub it means. The base is the
checkpoint's directory where that is there, the id of the ``tune download`` into it that the
recipe's comments name, or what ``bases`` sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.check.asked import Asked, Slip
from hfkv.check.document import KeyPath
from hfkv.check.training.fields import model_name
from hfkv.reading import describe, printable

__all__ = ["torchtune"]

_ATTENTION = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "output_proj": "o_proj"}
_MEANT = {name: own for own, name in _ATTENTION.items()}
_MLP = ("gate_proj", "down_proj", "up_proj")
_DOWNLOAD = re.compile(
    r"tune\s+download\s+(?P<model>[\w.-]+/[\w.-]+)[^\n]*?--output-dir[ =](?P<folder>\S+)"
)


def torchtune(value: Mapping[str, Any], root: KeyPath, text: str) -> list[Asked] | None:
    """The adapter of a torchtune recipe; None where it is none."""
    model = value.get("model")
    if not isinstance(model, Mapping):
        return None
    component = model.get("_component_")
    if not isinstance(component, str) or not component.startswith("torchtune."):
        return None
    if "lora_attn_modules" not in model:
        return []
    here = (*root, "model")
    targets: list[str] = []
    written: dict[str, str] = {}
    slips = tuple(_attention(model["lora_attn_modules"], here, targets, written))
    places = {"target_modules": (*here, "lora_attn_modules"), "r": (*here, "lora_rank")}
    if model.get("apply_lora_to_mlp") is True:
        targets += _MLP
    if model.get("apply_lora_to_output") is True:
        targets.append("lm_head")
        written["lm_head"] = "apply_lora_to_output"
    rank = model.get("lora_rank")
    fields: dict[str, Any] = {"r": 1 if rank is None else rank, "target_modules": targets}
    if isinstance(model.get("use_dora"), bool):
        fields["use_dora"] = model["use_dora"]
        places["use_dora"] = (*here, "use_dora")
    base, base_path = _base(value, root, text)
    return [
        Asked(
            kind="torchtune",
            base=base,
            base_path=base_path,
            fields=fields,
            places=places,
            names={"target_modules": "lora_attn_modules", "r": "lora_rank"},
            items={"target_modules": written},
            slips=slips,
            uncounted="" if rank is not None else "the file does not say the rank",
            translated=True,
            own_towers=True,
        )
    ]


def _attention(
    value: object, here: KeyPath, targets: list[str], written: dict[str, str]
) -> Iterator[Slip]:
    """torchtune asks of each of its four names whether it is in the list: others do nothing."""
    path = (*here, "lora_attn_modules")
    if not isinstance(value, list):
        yield Slip(
            code="HFKV107",
            path=path,
            message=f"lora_attn_modules: found {describe(value)}; expected a list of names",
        )
        return
    for number, item in enumerate(value):
        name = _ATTENTION.get(item) if isinstance(item, str) else None
        if name is None:
            import difflib

            own = _MEANT.get(str(item))
            near = [own] if own else difflib.get_close_matches(str(item), _ATTENTION, 1, 0.5)
            yield Slip(
                code="HFKV102",
                path=(*path, number),
                message=f"lora_attn_modules: {describe(item)} does nothing; torchtune knows "
                + ", ".join(_ATTENTION)
                + (f"; did you mean {printable(near[0])}?" if near else ""),
            )
        elif name not in targets:
            targets.append(name)
            written[name] = str(item)


def _base(value: Mapping[str, Any], root: KeyPath, text: str) -> tuple[str | None, KeyPath]:
    checkpointer = value.get("checkpointer")
    if not isinstance(checkpointer, Mapping):
        return None, (*root, "model")
    folder = checkpointer.get("checkpoint_dir")
    path = (*root, "checkpointer", "checkpoint_dir")
    if not isinstance(folder, str) or not folder:
        return None, path
    for found in _DOWNLOAD.finditer(text):
        if found["folder"].rstrip("/") == folder.rstrip("/"):
            return found["model"], path
    return model_name(folder), path
