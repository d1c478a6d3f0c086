"""An adapter's own file as a witness of what its config makes.

Every tensor of the header is compared with what PEFT would save: the low-rank parts module by
module, and what is saved whole with the base model's own shapes. Where they differ, each cause is
said once, and not each tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hfkv.errors import CrosscheckError
from hfkv.modules.built import Built, target_name
from hfkv.peft.base import Base
from hfkv.peft.lora.adapter import Lora
from hfkv.peft.lora.inject import Injection
from hfkv.peft.lora.options import LoraOptions
from hfkv.peft.names import moved, newer_name
from hfkv.reading import printable
from hfkv.tensors import Tensor, TensorTable

__all__ = ["agree"]

#: The parts of a low-rank adapter in a file, after the module's name.
_PART = re.compile(
    r"\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector|lora_diag)\b"
)
#: What stands in a tensor's name beside its module's.
_WRAPPERS = re.compile(r"\.(?:base_layer|modules_to_save|original_module|default)(?=\.|$)")
_START = "base_model.model."
_ROWS = ".token_adapter.trainable_tokens_delta"
#: Heads of classes that the base model's own class has not.
_HEADS = ("score", "classifier", "qa_outputs", "v_head", "summary", "classification_head")
_EXPERT = re.compile(r"\.experts\.(?:[0-9]+\.|(?:gate_up|down|gate|up)_projs?\.[0-9]+)")


def agree(base: Base, figure: Lora, witness: TensorTable) -> Lora:
    """The adapter, compared with the header of its own file.

    Raises:
        CrosscheckError: the header holds other tensors than PEFT would save of this config.
    """
    built, options, where = base.built, figure.options, base.facts.model
    stored = _Stored.of(witness)
    injection = figure.injection
    causes = list(_causes(built, injection, options, stored))
    if causes:
        raise CrosscheckError(
            f"its header holds {witness.parameters:,} parameters, and PEFT saves "
            f"{injection.written:,} of its config on {printable(where)}: {'; '.join(causes)}",
            where="adapter",
        )
    low_rank = sum(figure.per_target.values()) + figure.frozen
    note = f"its own header agrees: {low_rank:,} low-rank parameters"
    disk = witness.parameters
    if disk != figure.parameters:
        note += f"; on disk it has {disk:,} parameters, of which {figure.parameters:,} are trained"
    return replace(figure, notes=(*figure.notes, note))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """An adapter's tensors.

    Attributes:
        low_rank: module to its parts, each with the tensor.
        whole: full name of a base parameter to the tensor saved in its place.
        rows: module to its trained token rows.
        empty: tensors that hold nothing.
    """

    low_rank: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    whole: dict[str, Tensor] = field(default_factory=dict)
    rows: dict[str, Tensor] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, witness: TensorTable) -> _Stored:
        stored = cls()
        for tensor in witness:
            name = tensor.name.removeprefix(_START)
            if not tensor.elements:
                stored.empty.append(name)
                continue
            part = _PART.search(name)
            if part:
                module = _WRAPPERS.sub("", name[: part.start()])
                # Two parameters of one module are wrapped one in the other.
                key = part[1] + name[: part.start()].count(".base_layer") * "+"
                stored.low_rank.setdefault(module, {})[key] = tensor
            elif name.endswith(_ROWS):
                stored.rows[name.removesuffix(_ROWS)] = tensor
            else:
                stored.whole[_WRAPPERS.sub("", name)] = tensor
        return stored


def _causes(
    built: Built, injection: Injection, options: LoraOptions, stored: _Stored
) -> Iterator[str]:
    """Why an adapter's tensors are not those of its config on this base, a clause each."""
    modules = {module.name: module for module in built.modules}
    if stored.empty:
        yield (
            f"{len(stored.empty):,} tensors are empty, {printable(stored.empty[0])} the first: "
            "ZeRO-3 leaves them so when they are saved without being gathered"
        )
        return
    if not stored.low_rank:
        yield "there is no LoRA tensor among them"
        return
    shapes = {
        f"{module.name}.{name}": shape
        for module in built.modules
        for name, shape in module.parameters.items()
    }
    resized = dict(_resized(built, stored, shapes))
    for (found, there), names in _grouped(resized).items():
        yield (
            f"{_listed(names)} {'has' if len(names) == 1 else 'have'} {found:,} rows, and the base "
            f"model {there:,}: the vocabulary was resized (resize_token_embeddings), or this is "
            "another base"
        )
    expected: dict[str, int] = {}
    ranks: dict[str, set[int]] = {}
    for item in injection.adapted:
        module = item.name if item.name in modules else item.name.rpartition(".")[0]
        count = item.parameters + item.frozen + item.buffers
        expected[module] = expected.get(module, 0) + count
        ranks.setdefault(module, set()).add(item.rank * item.experts)
    strange = [name for name in stored.low_rank if name not in modules]
    extra = [name for name in stored.low_rank if name in modules and name not in expected]
    absent = [name for name in expected if name not in stored.low_rank]
    if strange:
        cause, explained = _strange(built, strange)
        yield cause
        absent = [name for name in absent if name not in explained and explained != {"*"}]
    if extra:
        yield (
            f"{len(extra):,} modules are adapted in the file and not by its config, "
            f"{_listed(_targets(extra))}"
        )
    if absent:
        yield (
            f"{len(absent):,} modules are adapted by its config and not in the file, "
            f"{_listed(_targets(absent))}"
        )
    yield from _sizes(stored, expected, ranks, resized)
    yield from _whole(built, injection, options, stored, shapes, resized)


def _resized(
    built: Built, stored: _Stored, shapes: dict[str, tuple[int, ...]]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Embeddings whose rows are not the base model's: (module, (rows found, rows there))."""
    for module in filter(None, (built.input, built.output)):
        there = shapes.get(f"{module}.weight")
        if there is None or len(there) != 2:
            continue
        rows = there[0]
        saved = stored.whole.get(f"{module}.weight")
        parts = stored.low_rank.get(module, {})
        for tensor, axis in (
            (saved, 0),
            (parts.get("lora_embedding_A"), 1),
            (parts.get("lora_B"), 0),
        ):
            if tensor is not None and len(tensor.shape) == 2 and tensor.shape[axis] != rows:
                same = tensor is not saved or tensor.shape[1] == there[1]
                if same:
                    yield module, (tensor.shape[axis], rows)
                break


def _grouped(resized: dict[str, tuple[int, int]]) -> dict[tuple[int, int], list[str]]:
    found: dict[tuple[int, int], list[str]] = {}
    for name, rows in resized.items():
        found.setdefault(rows, []).append(name)
    return found


def _strange(built: Built, names: list[str]) -> tuple[str, set[str]]:
    """Why the base has no modules of these names, and the modules that were meant."""
    known = frozenset(module.name for module in built.modules)
    newer = {name: newer_name(name, known) for name in names}
    if all(newer.values()):
        old, new = moved(names[0], newer[names[0]])
        return (
            f"{len(names):,} modules have the names of transformers 4: '{printable(old)}' is "
            f"'{printable(new)}' now",
            set(newer.values()),
        )
    experts = [name for name in names if _EXPERT.search(f".{name}.")]
    if len(experts) == len(names):
        return (
            f"{len(names):,} experts are adapted one by one, as older libraries had them, and the "
            "base model holds them as one parameter",
            {"*"},
        )
    shown = [name for name in names if not newer[name]]
    return (
        f"{len(shown):,} modules are not in the base model, {_listed(shown)}: this is another base",
        {"*"},
    )


def _sizes(
    stored: _Stored,
    expected: dict[str, int],
    ranks: dict[str, set[int]],
    resized: dict[str, tuple[int, int]],
) -> Iterator[str]:
    """Modules whose low-rank part is of another size."""
    other: dict[tuple[int, int], list[str]] = {}
    sizes: list[str] = []
    for name, parts in stored.low_rank.items():
        if name not in expected or name in resized:
            continue
        found = sum(tensor.elements for tensor in parts.values())
        if found == expected[name]:
            continue
        first = parts.get("lora_A", parts.get("lora_embedding_A"))
        rank = first.shape[0] if first is not None and first.shape else 0
        wanted = ranks[name]
        if len(wanted) == 1 and rank and rank not in wanted:
            other.setdefault((rank, next(iter(wanted))), []).append(name)
        else:
            sizes.append(name)
    for (rank, wanted_rank), names in other.items():
        yield (
            f"{len(names):,} modules have rank {rank:,} in the file and {wanted_rank:,} by its "
            f"config, {_listed(_targets(names))}"
        )
    if sizes:
        found = sum(tensor.elements for tensor in stored.low_rank[sizes[0]].values())
        yield (
            f"{len(sizes):,} modules have another size, {_listed(_targets(sizes))}: "
            f"{printable(sizes[0])} {found:,} parameters in the file, and {expected[sizes[0]]:,} "
            "on this base"
        )


def _whole(
    built: Built,
    injection: Injection,
    options: LoraOptions,
    stored: _Stored,
    shapes: dict[str, tuple[int, ...]],
    resized: dict[str, tuple[int, int]],
) -> Iterator[str]:
    """Modules that are saved whole, and rows of embeddings."""
    known = frozenset(shapes)
    headed = options.task_type in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
    differ: list[str] = []
    strange: list[str] = []
    held: set[str] = set()
    for name, tensor in stored.whole.items():
        own = name if name in known else newer_name(name, known)
        held.add(own)
        module = own.rpartition(".")[0]
        if module in resized:
            continue
        if not own:
            head = any(part in _HEADS for part in name.split("."))
            if not (head or headed):
                strange.append(name)
        elif tuple(tensor.shape) != tuple(shapes[own]) and not (
            headed and any(part in _HEADS for part in own.split("."))
        ):
            differ.append(own)
    if differ:
        found = next(item for name, item in stored.whole.items() if differ[0].endswith(name))
        yield (
            f"{len(differ):,} tensors are saved whole in another shape, {printable(differ[0])} "
            f"{_shape(found.shape)} in the file and {_shape(shapes[differ[0]])} in the base model"
        )
    if strange:
        yield (
            f"{len(strange):,} tensors are saved whole of which the base model has none, "
            f"{_listed(strange)}"
        )
    rows = set(stored.rows)
    lacking = [
        name
        for name, count in injection.saved.items()
        if count
        and name not in rows
        and not any(item.startswith(f"{name}.") for item in held)
        and f"{name}.weight" not in built.tied
        and not any(part in _HEADS for part in name.split("."))
        and options.trainable_token_indices is None
    ]
    if lacking:
        yield f"{_listed(lacking)}, which its config saves whole, is not in the file"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{side:,}" for side in shape)


def _targets(names: list[str]) -> list[str]:
    return list(dict.fromkeys(target_name(name) for name in names))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(printable(name) for name in names[:3]) + more
