"""The modules of an architecture whose code stands in its repository, by the rule of its type.

The checkpoint must agree with the rule: every weight in its place, of the size that the config
tells, and none left over. Weights that the rule does not tell of are read off their names, and the
whole is then ``inferred``; a weight that is missing or of another size is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.modules.built import Built, Module
from hfkv.modules.expressions import evaluate
from hfkv.modules.geometry import FLAT
from hfkv.modules.header import Header, Index, Shape, family, read_header
from hfkv.modules.inferred import guess, inferred
from hfkv.modules.rules import Rule, Weight, rules
from hfkv.modules.table import is_known
from hfkv.reading import printable
from hfkv.tensors import TensorTable

__all__ = ["basis_of", "by_header"]

_DIMENSIONS = {"conv2d": 4}


def basis_of(model_type: str) -> tuple[str, str]:
    """How the modules of a type are known where nothing is odd about a checkpoint, and the code
    that they are read from, or "".

    >>> basis_of("llama"), basis_of("phi-msft")[0], basis_of("novel")
    (('exact', ''), 'documented', ('inferred', ''))
    """
    if is_known(model_type):
        return "exact", ""
    known = rules().get(model_type, ())
    return ("documented", known[0].source) if known else ("inferred", "")


def by_header(model_type: str, raw: Mapping[str, Any], tensors: TensorTable, where: str) -> Built:
    """The modules of a model without a module table.

    Raises:
        UnsupportedError: the checkpoint does not agree with its type's rule, or there is no rule
            and its names leave a doubt.
    """
    if FLAT in tensors.dtypes:
        raise UnsupportedError(
            "4-bit bitsandbytes stores flat columns, and the sizes of the layers of "
            f"model_type '{printable(model_type)}' are not known here",
            where=where,
            hint="ask about the model that it was quantized from",
        )
    header = read_header(tensors)
    known = rules().get(model_type, ())
    if not known:
        return inferred(model_type, raw, header, where)
    rule = next((rule for rule in known if _has(rule.input, header)), None)
    if rule is None:
        why = f"its names are not those of {' or '.join(rule.source for rule in known)}"
        return inferred(model_type, raw, header, where, why=why)
    if rule.buffers:
        header = read_header(tensors, rule.buffers)
    return _build(model_type, rule, _Reading(rule=rule, raw=raw, header=header, where=where))


def _has(pattern: str, header: Header) -> bool:
    if "{}" not in pattern:
        return pattern in header.parameters
    return any(family(name)[0] == pattern for name in header.parameters)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A checkpoint under a rule.

    Attributes:
        rule, raw, header, where: what is read.
        kinds: modules that the rule tells of.
        found: their names by family and numbers.
        left: weights past the layers that the class builds.
    """

    rule: Rule
    raw: Mapping[str, Any]
    header: Header
    where: str
    kinds: dict[str, str] = field(default_factory=dict)
    found: dict[str, dict[Index, str]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    def refuse(self, name: str, found: str, expected: str) -> UnsupportedError:
        return UnsupportedError(
            f"the checkpoint does not agree with its type's code ({self.rule.source}): "
            f"{printable(name)} is {found}",
            where=self.where,
            expected=expected,
        )

    def count(self, keys: tuple[str, ...]) -> int | None:
        """The number under the first of these keys that the config has."""
        for key in keys:
            value = self.raw.get(key)
            if type(value) is int and value > 0:
                return value
        return None


def _build(model_type: str, rule: Rule, reading: _Reading) -> Built:
    _place(reading)
    for weight in (Weight(name=rule.input, kind="embedding", often="once"), *rule.weights):
        _check(weight, reading)
    header, kinds = reading.header, reading.kinds
    parameters = {
        name: held for name, held in header.parameters.items() if name not in reading.left
    }
    strange = [
        name
        for name, held in parameters.items()
        if len(held.get("weight", ())) > 1 and name not in kinds
    ]
    if strange:
        guessed = guess(header, reading.raw)
        kinds.update({name: guessed[name] for name in strange})
    source = _only(rule.input, reading)
    output = None if _is_headless(reading) else _name(rule.output, reading)
    tied = {}
    if output is not None and rule.ties:
        if output not in parameters:
            parameters[output] = {"weight": parameters[source]["weight"]}
            kinds[output] = "linear"
            tied[f"{output}.weight"] = f"{source}.weight"
        elif reading.raw.get("tie_word_embeddings") is True:
            tied[f"{output}.weight"] = f"{source}.weight"
    return Built(
        model_type=model_type,
        modules=tuple(
            Module(name=name, kind=kinds.get(name, "other"), parameters=held)
            for name, held in parameters.items()
        ),
        output=output,
        input=source,
        may_tie=reading.raw.get("tie_word_embeddings") is not False,
        tied=tied,
        loose=header.loose,
        basis="inferred" if strange else "documented",
        reason=_reason(model_type, reading, strange),
    )


def _reason(model_type: str, reading: _Reading, strange: list[str]) -> str:
    rule = reading.rule
    text = (
        f"the pinned transformers has no class for model_type '{printable(model_type)}': the "
        f"modules are those of {rule.source}"
    )
    weights = sum("weight" in reading.header.parameters[name] for name in reading.left)
    if weights:
        text += (
            f"; {weights:,} weights of the checkpoint lie past the layers that it builds, and get "
            "no adapter"
        )
    if strange:
        text += (
            f"; it says nothing of {len(strange):,} other weights, such as "
            f"{printable(strange[0])}, which are read off their names and shapes"
        )
    return text


def _place(reading: _Reading) -> None:
    """Sort the modules by family, and out those past the layers that the class builds."""
    rule = reading.rule
    count = reading.count(rule.layers)
    inside = f"{rule.container}.{{}}"
    depth = rule.container.count("{}")
    for name, held in reading.header.parameters.items():
        pattern, numbers = family(name)
        if (
            count is not None
            and rule.beyond != "other"
            and (pattern == inside or pattern.startswith(f"{inside}."))
            and numbers[depth] >= rule.first + count
        ):
            if rule.beyond == "not known":
                raise reading.refuse(name, "there", f"{count} layers, as config.json says")
            reading.left.add(name)
        elif "weight" in held:
            reading.found.setdefault(pattern, {})[numbers] = name


def _check(weight: Weight, reading: _Reading) -> None:
    """Find the weights of a name, all there and each of its size."""
    rule = reading.rule
    found = reading.found.get(weight.name, {})
    if weight.often == "once":
        if not found and weight.name == rule.output and _may_lack(reading):
            return
        if len(found) != 1:
            raise reading.refuse(
                f"{weight.name}.weight", f"there {len(found)} times", "one such weight"
            )
    elif weight.often == "each":
        _check_layers(weight, found, reading)
    if weight.name.count("{}") == 2 and found:
        _check_experts(weight, found, reading)
    wanted = tuple(evaluate(size, reading.raw.get) for size in (weight.rows, weight.columns))
    for name in found.values():
        shape = reading.header.parameters[name]["weight"]
        _check_shape(weight, name, shape, wanted, reading)
        reading.kinds[name] = weight.kind


def _check_layers(weight: Weight, found: Mapping[Index, str], reading: _Reading) -> None:
    rule = reading.rule
    count = reading.count(rule.layers)
    there = {numbers[0] for numbers in found}
    if count is None:
        count = max(there, default=rule.first) - rule.first + 1
    for number in range(rule.first, rule.first + count):
        if number not in there:
            raise reading.refuse(
                f"{weight.name.replace('{}', str(number), 1)}.weight",
                "missing",
                f"one in each of {count} layers",
            )


def _check_experts(weight: Weight, found: Mapping[Index, str], reading: _Reading) -> None:
    layers: dict[int, set[int]] = {}
    for layer, expert in found:
        layers.setdefault(layer, set()).add(expert)
    count = reading.count(reading.rule.experts)
    for layer, there in layers.items():
        expected = max(there) + 1 if count is None else count
        if (len(there), max(there) + 1) != (expected, expected):
            raise reading.refuse(
                weight.name.replace("{}", str(layer), 1),
                f"there for {len(there)} experts",
                f"{expected} of them",
            )


def _check_shape(
    weight: Weight,
    name: str,
    shape: Shape,
    wanted: tuple[int | None, ...],
    reading: _Reading,
) -> None:
    dimensions = _DIMENSIONS.get(weight.kind, 2)
    if len(shape) != dimensions or any(
        size is not None and size != found for size, found in zip(wanted, shape, strict=False)
    ):
        sizes = [("?" if size is None else str(size)) for size in wanted]
        sizes += ["?"] * (dimensions - 2)
        raise reading.refuse(f"{name}.weight", f"of shape {list(shape)}", f"[{', '.join(sizes)}]")


def _may_lack(reading: _Reading) -> bool:
    """Whether the checkpoint can be whole without a head."""
    tied = reading.rule.ties and reading.raw.get("tie_word_embeddings") is not False
    return tied or _is_headless(reading)


def _is_headless(reading: _Reading) -> bool:
    return bool(reading.rule.headless) and reading.raw.get(reading.rule.headless) is True


def _only(pattern: str, reading: _Reading) -> str:
    (name,) = reading.found[pattern].values()
    return name


def _name(pattern: str | None, reading: _Reading) -> str | None:
    """A module's full name; of one that the checkpoint lacks, the pattern is its name."""
    if pattern is None or not reading.found.get(pattern):
        return pattern
    return _only(pattern, reading)
