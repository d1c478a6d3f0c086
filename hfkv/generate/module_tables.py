"""Write ``hfkv/data/modules``: what modules each text-generating class makes, and how published
names reach them. The format is described beside the tables."""

from __future__ import annotations

import copy
import json
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfkv.generate.part_places import places
from hfkv.generate.symbols import Int, Real, expression, recorded, symbolic
from hfkv.live.build import pairs, transformers
from hfkv.live.lora import build_for, own_config

__all__ = ["OVERRIDES", "default_config", "generate", "main", "table"]

TARGET = Path(__file__).parent.parent / "data" / "modules"

_ROPE = {
    kind: {"rope_theta": 10000.0, "rope_type": "default"}
    for kind in ("full_attention", "sliding_attention")
}
_INDEXER = {
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 256,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
}
#: Layers of each container in the variants: what they add are names and sizes, not layers.
_FEW = 6
#: Seconds until a variant is taken to be endless; the largest takes a fraction of it.
_PATIENCE = 15

#: What has to be said for types whose defaults alone cannot be built.
OVERRIDES: dict[str, dict[str, Any]] = {
    "aya_vision": {"vision_config": {"num_attention_heads": 16}},
    "chameleon": {"vocabulary_map": {"<image>": 4}},
    "cohere_compass": {"text_config": {"rope_parameters": _ROPE}},
    "cohere_compass_text": {"rope_parameters": _ROPE},
    "dbrx": {"attn_config": {"rope_theta": 10000.0}},
    "deepseek_ocr2": {"text_config": {"mlp_layer_types": ["dense", *["sparse"] * 31]}},
    "diffusion_gemma": {
        "text_config": {"num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 704}
    },
    "dots1": {"n_routed_experts": 8, "n_shared_experts": 2},
    "emu3": {"vocabulary_map": {"<image>": 4, "<|extra_200|>": 5}},
    "granite4_vision": {"deepstack_layer_map": [[3, 0], [6, 1]], "downsample_rate": "1/2"},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "hunyuan_vl": {"text_config": {"head_dim": 128}},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"] * 8},
    "ministral": {"head_dim": 128},
    "moonshine_streaming": {"num_key_value_heads": 8},
    "nemotron": {"num_key_value_heads": 8},
    "qwen3_omni_moe": {
        "talker_config": {
            "spatial_merge_size": 2,
            "text_config": {"shared_expert_intermediate_size": 768},
        }
    },
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    "reformer": {"is_decoder": True},
}

#: Variants of several keys at once, which changing one at a time does not reach.
_EXPERTS = {
    "enable_moe_block": True,
    "num_experts": 8,
    "top_k_experts": 2,
    "moe_intermediate_size": 64,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gemma4": {"text_config": _EXPERTS},
    "gemma4_text": _EXPERTS,
}

_INDEX = re.compile(r"(?<![^.])\d+(?![^.])")


def default_config(model_type: str, changes: dict[str, Any] | None = None) -> Any:
    """The class's defaults, with what they cannot do without, and with ``changes``."""
    values = copy.deepcopy(OVERRIDES.get(model_type, {}))
    _merge(values, changes or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers().CONFIG_MAPPING[model_type](**values)


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = copy.deepcopy(value)


# -- one class ---------------------------------------------------------------------------------


class _Rows:
    """The union of module rows over several builds, in module order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.kinds: dict[str, list[str]] = {}
        self.shapes: dict[str, dict[str, list[Any]]] = {}
        self.marks: dict[str, dict[str, Any]] = {}

    def add(self, model: Any) -> None:
        last = -1
        for name, module in model.named_modules():
            if not name:
                name = ""
            pattern = _INDEX.sub("{}", name)
            if pattern not in self.kinds:
                last += 1
                self.order.insert(last, pattern)
                self.kinds[pattern] = []
                self.shapes[pattern] = {}
                self.marks[pattern] = {}
            else:
                last = max(last, self.order.index(pattern))
            kind, marks = _kind(module)
            if kind not in self.kinds[pattern]:
                self.kinds[pattern].append(kind)
            self.marks[pattern].update(marks)
            for key, parameter in module.named_parameters(recurse=False):
                shape = _shape(parameter)
                known = self.shapes[pattern].setdefault(_INDEX.sub("{}", key), [])
                if shape not in known:
                    known.append(shape)

    def rows(self) -> list[list[Any]]:
        found = []
        for pattern in self.order:
            if not pattern and not self.shapes[pattern]:
                continue
            kinds = self.kinds[pattern]
            marks = dict(self.marks[pattern])
            if len(kinds) > 1:
                marks["kinds"] = kinds[1:]
            shapes = {
                key: [shape for shape in known if shape is not None] or None
                for key, known in self.shapes[pattern].items()
            }
            found.append([pattern, kinds[0], shapes, *([marks] if marks else [])])
        return found


def _shape(parameter: Any) -> list[Any] | None:
    sizes = getattr(parameter, "_sizes", None)
    if sizes is None or tuple(int(size) for size in sizes) != tuple(parameter.shape):
        return None
    return [expression(size) for size in sizes]


def _kind(module: Any) -> tuple[str, dict[str, Any]]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    marks: dict[str, Any] = {}
    if getattr(module, "is_transposed", False):
        marks["transposed"] = True
    if getattr(module, "groups", 1) not in (1, None) and isinstance(
        module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    ):
        marks["groups"] = expression(module.groups)
    for cls, kind in (
        (nn.Embedding, "embedding"),
        (nn.Conv2d, "conv2d"),
        (nn.Conv3d, "conv3d"),
        (nn.Conv1d, "conv1d"),
        (nn.MultiheadAttention, "attention"),
        (nn.Linear, "linear"),
        (Conv1D, "Conv1D"),
    ):
        if isinstance(module, cls):
            return kind, marks
    return "other", marks


def _symbolize(config: Any, path: str = "") -> None:
    """Replace a config's numbers by ones that carry their key."""
    subs = getattr(config, "sub_configs", {}) or {}
    for key, value in list(vars(config).items()):
        if key.startswith("_") or isinstance(value, bool):
            continue
        if key in subs:
            if hasattr(value, "to_dict"):
                _symbolize(value, f"{path}{key}.")
        elif isinstance(value, int):
            vars(config)[key] = Int(value, path + key)
        elif isinstance(value, float):
            vars(config)[key] = Real(value, path + key)
        elif isinstance(value, (list, tuple)) and value and all(type(v) is int for v in value):
            vars(config)[key] = type(value)(
                Int(v, f"{path}{key}[{i}]") for i, v in enumerate(value)
            )


def _model(config: Any, name: str) -> Any:
    """Built with sizes as formulas, or plainly where a class does not bear that."""
    plain = copy.deepcopy(config)
    _symbolize(own_config(config, name)[0])
    try:
        with symbolic(), recorded():
            return build_for(config, name)
    except Exception:
        return build_for(plain, name)


def table(model_type: str, name: str) -> dict[str, Any]:
    """The table of one class."""
    config = default_config(model_type)
    build_for(default_config(model_type), name)  # loads the code before its numbers are watched
    model = _model(config, name)
    rows = _Rows()
    rows.add(model)
    own, path = own_config(default_config(model_type), name)
    counts = _counts(model)
    keys: dict[str, str] = {}
    ties: str | bool | None = None
    tied = _tied(model)
    for where, change in _changes(own, set(counts.values())):
        value = _at(own, where)
        if type(value) is int and _leaf(change) == value - 1:
            variant = _variant(model_type, name, path, change)
            for container, count in {} if variant is None else _counts(variant).items():
                if counts.get(container) == _at(own, where) and count == _leaf(change):
                    keys.setdefault(container, where)
    # Towers that a class has only where the config describes them: then rules come with them.
    missing: dict[str, Any] = {
        key: {} for key in getattr(own, "sub_configs", {}) or {} if getattr(own, key, None) is None
    }
    whole = model
    if missing and (rich := _variant(model_type, name, path, missing)) is not None:
        whole = rich
        rows.add(whole)
    if (variant := _variant(model_type, name, "", VARIANTS.get(model_type, {}))) is not None:
        rows.add(variant)
    few: dict[str, Any] = {}
    for key in keys.values():
        if _at(own, key) > _FEW:
            _merge(few, _nested(key, _FEW))
    if _variant(model_type, name, path, few) is None:
        few = {}
    given: dict[str, Any] = {}
    for where, change in _changes(own, set()):
        if _at(own, where) is None and type(_leaf(change)) is int:
            _merge(given, change)
    for where, change in _changes(own, set()):
        variant = None
        # A flag may need numbers that the defaults leave out, and lists have a length to keep.
        for start in (few, {}, given) if few else ({}, given):
            both = copy.deepcopy(start)
            _merge(both, change)
            variant = variant or _variant(model_type, name, path, both)
        if variant is None:
            continue
        rows.add(variant)
        now = _tied(variant)
        if where.endswith("tie_word_embeddings") and now != tied and ties is None:
            ties = where
            tied = tied or now
    return {
        "config": path,
        "config_type": model.config.model_type,
        "base_model_prefix": model.base_model_prefix,
        "input_embeddings": _name(model, model.get_input_embeddings),
        "output_embeddings": _name(model, model.get_output_embeddings),
        "tied": tied,
        "ties": ties if ties is not None else bool(tied),
        "modules": rows.rows(),
        "buffers": _buffers(whole),
        "unsaved": _unsaved(model),
        "counts": keys,
        "derived": _derived(type(own)),
        "parts": _parts(whole, whole.config),
        "conversions": _conversions(whole),
    }


def _name(model: Any, getter: Any) -> str | None:
    try:
        wanted = getter()
    except Exception:
        return None
    return next((name for name, module in model.named_modules() if module is wanted), None)


def _tied(model: Any) -> dict[str, str]:
    """Parameter to the one that it is the same as, which comes first in module order."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            found[_INDEX.sub("{}", name)] = _INDEX.sub("{}", kept)
    return found


def _buffers(model: Any) -> list[str]:
    """What a checkpoint holds beside parameters."""
    names = dict(model.named_parameters(remove_duplicate=False))
    return list(dict.fromkeys(_INDEX.sub("{}", n) for n in model.state_dict() if n not in names))


def _unsaved(model: Any) -> list[str]:
    """Parameters that saving leaves out, because the class computes them."""
    rules = list(getattr(model, "_keys_to_ignore_on_save", None) or ())
    names = [name for name, _ in model.named_parameters() if name in rules]
    return list(dict.fromkeys(_INDEX.sub("{}", name) for name in names))


def _counts(model: Any) -> dict[str, int]:
    """Repeated containers to their lengths, where all of a name are equally long."""
    from torch import nn

    found: dict[str, set[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module):
            found.setdefault(_INDEX.sub("{}", name), set()).add(len(module))
    return {name: sizes.pop() for name, sizes in found.items() if len(sizes) == 1}


def _changes(
    config: Any, counts: set[int], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs worth trying: flags turned over, options given and taken away, counts changed."""
    subs = getattr(config, "sub_configs", {}) or {}
    for key, value in list(vars(config).items()):
        if key.startswith("_") or key in _SKIPPED:
            continue
        if key in subs:
            if hasattr(value, "to_dict"):
                for where, change in _changes(value, counts, f"{prefix}{key}."):
                    yield where, {key: change}
            continue
        tries: list[Any] = []
        if isinstance(value, bool):
            tries = [not value]
        elif value is None:
            tries = [8, True]
        elif isinstance(value, int):
            tries = [value - 1] if value in counts and value > 1 else []
            tries += [None, 0] if value else [1, 2]
            if value == 1:
                tries.append(2)
        elif isinstance(value, list) and not value:
            tries = [[0], [1]]
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            tries = [[kind, *value[1:]] for kind in _layer_kinds() if kind not in value]
        for attempt in tries:
            yield f"{prefix}{key}", {key: attempt}


_SKIPPED = frozenset(
    "vocab_size pad_token_id bos_token_id eos_token_id sep_token_id decoder_start_token_id"
    " output_hidden_states output_attentions return_dict use_cache dtype torch_dtype"
    " chunk_size_feed_forward problem_type id2label label2id architectures initializer_range"
    " transformers_version name_or_path max_position_embeddings is_encoder_decoder".split()
)


def _variant(model_type: str, name: str, path: str, change: dict[str, Any]) -> Any:
    """The model under a change of its own config; None where the class cannot make sense of it."""

    def stop(*_: object) -> None:
        raise _EndlessError

    # A zero where a class counts down to it never ends.
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_PATIENCE)
    try:
        return _model(default_config(model_type, _nested(path, change)), name)
    except (Exception, _EndlessError):
        return None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class _EndlessError(BaseException):
    pass


def _layer_kinds() -> tuple[str, ...]:
    from transformers.configuration_utils import ALLOWED_LAYER_TYPES

    return tuple(dict.fromkeys(("conv", *ALLOWED_LAYER_TYPES)))


def _nested(path: str, change: Any) -> dict[str, Any]:
    for key in reversed(path.split(".") if path else []):
        change = {key: change}
    return change


def _leaf(change: Any) -> Any:
    while isinstance(change, dict):
        change = next(iter(change.values()))
    return change


def _at(config: Any, where: str) -> Any:
    for key in where.split("."):
        # Not getattr: some classes refuse to name a value that differs from layer to layer.
        config = vars(config).get(key) if hasattr(config, "__dict__") else None
    return config


def _derived(cls: Any) -> dict[str, str]:
    """What the class puts where a key is null, as formulas over its other keys."""
    try:
        plain = cls()
        numbers = {
            key: Int(value, key)
            for key, value in vars(plain).items()
            if isinstance(value, int) and not isinstance(value, bool) and not key.startswith("_")
        }
        import dataclasses

        empty = {
            field.name
            for field in dataclasses.fields(cls)
            if field.default is None and field.name not in ("dtype", "torch_dtype")
        }
        given = {key: value for key, value in numbers.items() if key not in empty}
        with symbolic():
            made = cls(**given)
    except Exception:
        return {}
    found = {}
    for key in sorted(empty):
        value = getattr(made, key, None)
        if isinstance(value, Int) and value.text != key:
            found[key] = value.text
    return found


def _parts(model: Any, own: Any) -> list[list[str]]:
    """The models inside the model that a config may exchange."""
    from transformers import PreTrainedModel

    places = {id(part): path for path, part in _exchangeable(own)}
    return [
        [_INDEX.sub("{}", name), type(module).__name__, module.config.model_type, place]
        for name, module in model.named_modules()
        if name and isinstance(module, PreTrainedModel) and (place := places.get(id(module.config)))
    ]


def _exchangeable(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The nested configs that may be of another type: where the class names one, a file's own
    ``model_type`` there decides nothing (``qwen3_vl`` files call their vision part so as well)."""
    from transformers import AutoConfig

    for key, kind in (getattr(config, "sub_configs", {}) or {}).items():
        part = getattr(config, key, None)
        if part is not None and hasattr(part, "to_dict"):
            if kind is AutoConfig:
                yield f"{path}{key}", part
            yield from _exchangeable(part, f"{path}{key}.")


def _conversions(model: Any) -> list[dict[str, Any]]:
    from transformers import conversion_mapping
    from transformers import core_model_loading as loading

    found = []
    for rule in conversion_mapping.get_model_conversion_mapping(model):
        kind = "rename"
        entry: dict[str, Any] = {}
        if isinstance(rule, loading.GroupWeightRename):
            kind = "group"
        elif isinstance(rule, loading.Inkling2IndexOffsetWeightRename):
            kind = "offset"
            entry["offset"] = rule.offset
        elif isinstance(rule, loading.WeightConverter):
            kind = "convert"
            entry["ops"] = [_operation(op) for op in rule.operations]
        entry = {
            "kind": kind,
            "regex": rule.compiled_sources.pattern,
            "sources": list(rule.source_patterns),
            "targets": list(rule.target_patterns),
            **entry,
        }
        if rule.scope_prefix is not None:
            entry["scope"] = rule.scope_prefix
            entry["prefix"] = rule.base_model_prefix
        found.append(entry)
    return found


def _operation(operation: Any) -> list[Any]:
    name = type(operation).__name__
    if name == "Transpose":
        marks = ["check"] if operation.check_dims else []
        return [name, operation.dim0, operation.dim1, *marks]
    if name == "ErnieFuseAndSplitTextVisionExperts":
        return [name, operation.stack_dim, operation.concat_dim]
    if hasattr(operation, "dim"):
        shards = getattr(operation, "num_shards_attribute", None)
        return [name, operation.dim, *([shards] if shards else [])]
    return [name]


# -- all of them -------------------------------------------------------------------------------


def generate(types: set[str] | None = None) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Each type with its file's content, or with the reason why none of its classes can be had."""
    classes: dict[str, list[str]] = {}
    for model_type, name in pairs():
        if types is None or model_type in types:
            classes.setdefault(model_type, []).append(name)
    for model_type, names in classes.items():
        tables: dict[str, Any] = {}
        reasons = []
        for name in names:
            try:
                tables[name] = table(model_type, name)
            except Exception as error:
                first = str(error).strip().splitlines()[0].rstrip(":")
                reasons.append(f"{type(error).__name__}: {first}")
        if tables:
            yield model_type, {"model_type": model_type, "classes": tables}
        else:
            yield model_type, reasons[0]


def text(content: dict[str, Any]) -> str:
    """JSON with a line for each key, and for each module and rule, so that changes can be read."""
    blocks = []
    for name, entry in content["classes"].items():
        lines = []
        for key, value in entry.items():
            if isinstance(value, list) and value:
                rows = ",\n".join(f"   {json.dumps(row)}" for row in value)
                lines.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        blocks.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    start = f'{{"model_type": {json.dumps(content["model_type"])}, "classes": {{\n'
    return start + ",\n".join(blocks) + "\n}}\n"


def main() -> None:
    """Write the files of the types named on the command line, or of all."""
    import torch

    torch.set_num_threads(1)
    wanted = set(sys.argv[2:]) or None
    TARGET.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"transformers": transformers().__version__, "types": {}, "refused": {}}
    path = TARGET / "INDEX.json"
    if wanted and path.exists():
        index = json.loads(path.read_text(encoding="utf-8"))
    for model_type, content in generate(wanted):
        index["types"].pop(model_type, None)
        index["refused"].pop(model_type, None)
        if isinstance(content, str):
            index["refused"][model_type] = content
        else:
            index["types"][model_type] = list(content["classes"])
            (TARGET / f"{model_type}.json").write_text(text(content), encoding="utf-8")
        print(model_type, content if isinstance(content, str) else "", flush=True)
    index["types"] = dict(sorted(index["types"].items()))
    index["refused"] = dict(sorted(index["refused"].items()))
    index["parts"] = places(TARGET)
    path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
