"""torchtune's YAML, where its fields map: ``model`` is a LoRA builder with ``lora_attn_modules``.

torchtune names modules in its own way (``output_proj`` is the attention's ``o_proj``), takes no
other names than its four, and does not say which model on the Hub it means. The base is the
checkpoint's directory where that is there, the id of the ``tune download`` into it that the
recipe's comments name, or what ``bases`` sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hfkv.check.asked import Asked, Slip
from hfkv.check.text.places import KeyPath
from hfkv.check.training.fields import Fields, Section, context
from hfkv.reading import describe, printable

__all__ = ["torchtune"]

_ATTENTION = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "output_proj": "o_proj"}
_MEANT = {name: own for own, name in _ATTENTION.items()}
_MLP = ("gate_proj", "down_proj", "up_proj")
#: Where torchtune downloads to unless it is told.
_HERE = "/tmp/"  # noqa: S108 - a name in other people's files, never opened
_DOWNLOAD = re.compile(
    r"tune\s+download\s+(?P<model>[\w.-]+/(?P<name>[\w.-]+))"
    r"(?:[^\n]*?--output-dir[ =](?P<folder>\S+))?"
)


def torchtune(section: Section) -> list[Asked] | None:
    """The adapter of a torchtune recipe; an empty list where it trains none, None where it is no
    recipe."""
    model = section.below("model")
    if model is None:
        return None
    component = model.value.get("_component_")
    if not isinstance(component, str) or not component.startswith("torchtune."):
        return None
    if "lora_attn_modules" not in model.value:
        return []
    read = Fields(model)
    read.take("lora_rank", "r")
    targets: list[str] = []
    written: dict[str, str] = {}
    attention = read.take("lora_attn_modules", "target_modules")
    slips: tuple[Slip, ...] = ()
    if "target_modules" not in read.unknown:
        slips = tuple(_attention(attention, model.path, targets, written))
    if model.value.get("apply_lora_to_mlp") is True:
        targets += _MLP
        written.update(dict.fromkeys(_MLP, "apply_lora_to_mlp"))
    if model.value.get("apply_lora_to_output") is True:
        targets.append("lm_head")
        written["lm_head"] = "apply_lora_to_output"
    read.fields["target_modules"] = targets
    if isinstance(model.value.get("use_dora"), bool):
        read.take("use_dora", "use_dora")
    base = _base(section)
    return [
        read.asked(
            "torchtune",
            base,
            items={"target_modules": written},
            slips=slips,
            translated=True,
            own_towers=True,
            **context(section.below("tokenizer"), ("max_seq_len",)),
            **{
                key: item
                for key, item in context(section, (), ("batch_size",)).items()
                if key == "batch"
            },
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


def _base(section: Section) -> tuple[object, KeyPath] | None:
    checkpointer = section.below("checkpointer")
    if checkpointer is None:
        return None
    folder = checkpointer.value.get("checkpoint_dir")
    path = (*checkpointer.path, "checkpoint_dir")
    if not isinstance(folder, str) or not folder:
        return None, path
    for found in _DOWNLOAD.finditer(section.text):
        # Where no folder is given, the download goes to one of the model's name.
        if (found["folder"] or f"{_HERE}{found['name']}").rstrip("/") == folder.rstrip("/"):
            return found["model"], path
    return folder, path
