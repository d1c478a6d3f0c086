"""What is known of a model's pretraining: its card, the statement that somebody read, its bases.

A sentence of the card that was read before is quoted from the card; else the card is read; else
the statement is cited. A model that nothing is said of has the count of the model it was made
from, and what was trained on top of that is added to it and shown as a sum.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hfkv.facts import Facts
from hfkv.pretraining.dimensions import alike
from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.statement import Alternative, Evidence, Possible, Pretraining
from hfkv.pretraining.statements import Line, line_named, line_of, sentence_of
from hfkv.source.old_names import name_now

if TYPE_CHECKING:
    from hfkv.pretraining.reading import Reading

__all__ = ["explain", "line_of_copy", "pretraining"]

#: A chain of bases longer than any real one.
_STEPS = 8
#: From this probability on a card says plainly what it says.
_PLAINLY = 0.9
#: What a quantized, converted or abliterated copy has behind the name of its model.
_COPY = re.compile(
    r"[-_.](?:i1|GGUF|GGML|AWQ|GPTQ|gptqmodel|vortex-v[0-9.]+|AutoRound|EXL[23]|HQQ|AQLM|QuIP"
    r"|MLX|ONNX(?:-(?:web|cpu|cuda|GQA))?|ov|openvino|llamafile|litert(?:-lm)?|ct2|marlin"
    r"|FP8(?:-KV)?|QAT|DWQ|DQ|(?:NV)?FP4(?:-v[0-9]|A16)?|MXFP4(?:_MOE|-Preview)?|NF4"
    r"|b?f(?:loat)?(?:p?16|p?32)|unsloth|bnb|quantized|unquantized|torchao|dynamic|imatrix|sharded"
    r"|smashed|(?:abliterated|heretic)(?:-v[0-9])?|(?:[2-68]|1\.58)-?bits?|int[48]|sym|inc|cw"
    r"|w[48]a(?:16|8|4)|i?q[1-8](?:_[01kmsx][_a-z]*)?|[2348]b-[0-9]+g|(?:32|64|128)g"
    r"|gs?(?:32|64|128)|actorder|[2-8](?:\.[0-9]+)?bpw|h[68])$",
    re.IGNORECASE,
)
#: What those who copy put there who stretch a model's context and train nothing.
_LONGER = re.compile(r"-(?:128K|1M)$", re.IGNORECASE)
#: Owners of copies under the name of the model itself.
_COPIERS = frozenset(
    """unsloth thebloke bartowski lmstudio-community mlx-community quantfactory nousresearch
    mradermacher redhatai neuralmagic maziyarpanahi ggml-org second-state turboderp casperhansen
    solidrust openvino onnx-community xenova hugging-quants richarderkhov devquasar tensorblock
    prunaai sanctumai lonestriker ubergarm litert-community modelcloud cyankiwi cpatonn
    quanttrio""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    model: str
    card: str | None
    commit: str | None
    parameters: int | None


def pretraining(facts: Facts) -> Pretraining:
    """What the model's card states, or what was read of it, or what holds for its base."""
    cards = list(_cards(facts))
    own = _of_card(cards[0])
    if own.tokens is not None:
        return own
    for model, found in itertools.chain(
        ((card.model, _of_card(card)) for card in cards[1:]), _named(facts)
    ):
        if found.tokens is not None:
            where = "stated by the card of" if found.basis == "stated" else "said of"
            whose = f"{where} its base model {model}"
            if model == facts.model:
                whose = f"said of {found.evidence[0].model}, which it is a copy of by its name"
            notes = [whose, *found.notes]
            if own.basis == "unclear":
                counts = ", ".join(f"{item.tokens:,}" for item in own.possible)
                notes.append(f"its own card leaves unclear what it says of {counts} tokens")
            return replace(found, notes=tuple(notes))
    if facts.statement is not None:
        return Pretraining.from_json(facts.statement, where=facts.model)
    if own.basis == "not stated" and (like := _by_dimensions(facts)) is not None:
        return like
    if facts.card is None:
        reason = own.reason or facts.missing.get("README.md", "there is no model card")
        of = None if own.reason else line_of_copy(facts.model)
        if of is not None and of.note:
            reason = f"of {of.ids[0]}, which it is a copy of by its name: {_why_not(of)}"
        # Numbers that were read and count something else are shown beside it.
        also = own.alternatives or (_also(of) if of is not None else ())
        return replace(own, reason=reason, alternatives=also)
    return replace(own, notes=(*own.notes, *_unread(facts)))


def explain(facts: Facts) -> tuple[Reading, ...]:
    """The reading of each card that was consulted, the model's own first, with every candidate
    and why it was taken or rejected; its bases' follow until one of them states a count."""
    readings: list[Reading] = []
    for card in _cards(facts):
        if card.card is None:
            continue
        if readings and readings[-1].statement.tokens is not None:
            break
        readings.append(_read(card))
    return tuple(readings)


def _cards(facts: Facts) -> Iterator[_Card]:
    """The model's own card and those of its bases."""
    # What is packed counts elements, and none of parameters.
    packed = "quantization_config" in (facts.config or {})
    parameters = None if packed else facts.stored_elements
    yield _Card(model=facts.model, card=facts.card, commit=facts.commit, parameters=parameters)
    for base in facts.lineage[:_STEPS]:
        # A fine-tune has the size of its base, where the base's name does not give one.
        yield _Card(
            model=base.model,
            card=base.card,
            commit=base.commit,
            parameters=base.parameters or parameters,
        )


def _named(facts: Facts) -> Iterator[tuple[str, Pretraining]]:
    """Models whose weights these are by the names that the files give, without their cards."""
    names = [name for name, _ in base_models(facts.card or "")]
    if len(names) > 1:
        # Of several bases none alone says what a merge saw, unless all saw the same.
        lines = [line_of(name) for name in names]
        counts = {line.tokens if line else None for line in lines}
        names = names[:1] if len(counts) == 1 else []
    path = (facts.config or {}).get("_name_or_path")
    if isinstance(path, str) and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name_now(path)):
        names.append(path)
    for base in facts.lineage[-1:]:
        names += [name for name, _ in base_models(base.card)][:1]
    names.append(facts.model)
    for name in dict.fromkeys(names):
        line = line_of_copy(name)
        if line is not None and line.tokens is not None:
            yield name, _of_line(line, None)


def _by_dimensions(facts: Facts) -> Pretraining | None:
    """What is known of the base that the model has all dimensions of, where nothing names one."""
    config = facts.config or {}
    if base_models(facts.card or "") or facts.lineage or line_of(facts.model) is not None:
        return None
    names = [name for name in alike(config) if name.lower() != facts.model.lower()]
    found = {name: _of_line(line, None) for name in names if (line := line_of(name)) is not None}
    if not found:
        return None
    counts: dict[int | None, list[str]] = {}
    for name, item in found.items():
        counts.setdefault(item.tokens, []).append(name)
    same = "its config has every dimension and the vocabulary of"
    if len(counts) == 1:
        note = f"inferred: {same} {', '.join(found)}, and nothing names its base"
        first = next(iter(found.values()))
        return replace(first, basis="inferred", notes=(note, *first.notes))
    possible = [
        Possible(
            tokens=item.tokens or 0,
            qualifier=item.qualifier or "exact",
            probability=round(1 / len(counts), 3),
            why=f"{same} {', '.join(counts[item.tokens])}, and of others",
            evidence=item.evidence,
        )
        for item in (found[name[0]] for name in counts.values())
    ]
    return Pretraining(basis="unclear", possible=tuple(possible[:3]), reason=f"{same} several")


def line_of_copy(model: str) -> Line | None:
    """The line of a model, or of the one that it is a copy of by its name."""
    line = line_of(model)
    if line is not None or "/" not in model:
        return line
    owner, name = model.split("/", 1)
    copier = owner.lower() in _COPIERS
    names = [name]
    while (end := _COPY.search(names[-1])) is not None:
        names.append(names[-1][: end.start()])
    if copier and (longer := _LONGER.search(names[-1])) is not None:
        # Some models of that name were trained to it.
        names.insert(0, names[-1][: longer.start()])
    elif not copier:
        del names[0]
    for bare in reversed(names):
        line = _of_name(bare)
        if line is not None:
            break
    return line


def _of_name(bare: str) -> Line | None:
    """The line of a name without its owner, who may stand before it in the name itself."""
    # ``Qwen_Qwen3-8B``, ``meta-llama_-_Llama-3.2-1B``, ``Qwen.Qwen3-8B``
    for mark in ("_-_", "_", "."):
        first, _, rest = bare.partition(mark)
        line = line_of(f"{first}/{rest}") if rest else None
        if line is not None:
            return line
    if not re.search(r"[0-9]", bare):
        return None
    # What the developer's name ends in and those of copies leave away.
    found = (line_named(f"{bare}{end}") for end in ("", "-hf", "-BF16", "-PT"))
    return next((line for line in found if line is not None), None)


def _read(card: _Card) -> Reading:
    # The reader compiles many expressions; an id alone needs none of them.
    from hfkv.pretraining.reading import read_card

    return read_card(
        card.card or "", model=card.model, parameters=card.parameters, commit=card.commit
    )


def _of_card(card: _Card) -> Pretraining:
    """What one model's card and line say of it."""
    line = line_of(card.model)
    if line is None or line.tokens is None:
        if card.card is None:
            if line is None:
                return Pretraining()
            return Pretraining(reason=_why_not(line), alternatives=_also(line))
        reading = _read(card)
        return _with_base(reading, card)
    if card.card is not None:
        found = sentence_of(line, card.card, model=card.model, commit=card.commit)
        if found is not None:
            return _of_line(line, found)
        reading = _read(card)
        said = reading.statement
        chance = max((item.probability for item in reading.candidates), default=0.0)
        if said.tokens == line.tokens and line.scope == "pretraining":
            return said
        if said.tokens is not None and said.tokens != line.tokens and chance >= _PLAINLY:
            cited = Evidence(quote=_said(line), file=line.citation, model=line.ids[0])
            other = Alternative(
                tokens=line.tokens, qualifier=line.qualifier or "exact", evidence=cited
            )
            note = f"elsewhere its developer says {line.tokens:,} tokens: {line.citation}"
            return replace(
                said, alternatives=(other, *said.alternatives), notes=(*said.notes, note)
            )
    result = _of_line(line, None)
    if card.card is None:
        return result
    note = "its card was not seen to state it; it was read elsewhere"
    return replace(result, notes=(note, *result.notes))


def _said(line: Line) -> str:
    if not line.fingerprint:
        return f"{line.tokens:,}"
    # Words are kept in small letters: the sign of a magnitude is a capital beside its number.
    number = " ".join(line.fingerprint["number"])
    return re.sub(r"(?<=[0-9])\s*([kmbt])\b", lambda found: found[1].upper(), number)


def _why_not(line: Line) -> str:
    """Why a line has no count."""
    reason = line.note or f"no count was found in {line.citation}"
    named = line.base and line.base.partition("/")[2] in reason
    return reason if named or not line.base else f"{reason} (the base is {line.base})"


def _also(line: Line) -> tuple[Alternative, ...]:
    """Other numbers that were read of a model, each with what it counts."""
    return tuple(
        Alternative(
            tokens=item["tokens"],
            qualifier="exact",
            evidence=Evidence(quote=item.get("note", ""), file=item.get("place", "")),
        )
        for item in line.also
        if item["tokens"] != line.tokens
    )


def _of_line(line: Line, found: Evidence | None) -> Pretraining:
    """A line as a statement: quoted from the card where its sentence stands there, else cited."""
    assert line.tokens is not None
    notes = [line.note] if line.note else []
    if line.scope == "stage":
        notes.append("a stage of the training: the whole is not stated")
    evidence = found or Evidence(quote=_said(line), file=line.citation, model=line.ids[0])
    result = Pretraining(
        tokens=line.tokens,
        qualifier=line.qualifier,
        basis="published" if found is None else "stated",
        evidence=(evidence,),
        alternatives=_also(line),
        notes=tuple(notes),
    )
    if line.scope != "continued":
        return result
    base = line_of(line.base) if line.base else None
    if base is None or base.tokens is None or line.apart:
        return _alone(result, line.base or "")
    return _sum(result, _of_line(base, None), line.base or "")


def _with_base(reading: Reading, card: _Card) -> Pretraining:
    """What a card says; on top of its base's count where it speaks of continued pretraining."""
    said = reading.statement
    if said.tokens is None:
        return said
    chosen = [item for item in reading.candidates if item.verdict == "chosen"]
    continued = "part:continued" in chosen[0].option.features
    bases = [name for name, _ in base_models(card.card or "")]
    base = line_of(bases[0]) if continued and len(bases) == 1 else None
    if base is not None and base.tokens and base.tokens > said.tokens and not base.apart:
        return _sum(said, _of_line(base, None), bases[0])
    from hfkv.pretraining.part import goes_on

    return _alone(said) if all(map(goes_on, chosen[0].support)) else said


def _alone(said: Pretraining, of: str = "") -> Pretraining:
    """What was trained on top of a base whose own count is not known."""
    known = f" of {of}" if of else ""
    note = f"continued pretraining{known} alone: what the base saw before is not counted"
    # In all it saw more, and no base so little that a rounded count would exceed the two.
    return replace(said, qualifier="at_least", notes=(*said.notes, note))


def _sum(added: Pretraining, base: Pretraining, name: str) -> Pretraining:
    """What a model saw in all: its base's count and what was trained on top."""
    assert added.tokens is not None
    assert base.tokens is not None
    hows = {added.qualifier, base.qualifier}
    note = (
        f"the sum of {base.tokens:,} tokens of its base model {name} and {added.tokens:,} of "
        "continued pretraining"
    )
    return replace(
        added,
        tokens=added.tokens + base.tokens,
        qualifier=hows.pop() if len(hows) == 1 else _joined(added.qualifier, base.qualifier),
        evidence=(*added.evidence, *base.evidence),
        alternatives=(
            Alternative(
                tokens=added.tokens,
                qualifier=added.qualifier or "exact",
                evidence=added.evidence[0],
            ),
            *added.alternatives,
        ),
        notes=(note, *added.notes),
    )


def _joined(one: str | None, other: str | None) -> str:
    """The qualifier of a sum: a bound holds where the other part is exact."""
    rest = {one, other} - {"exact"}
    return str(rest.pop()) if len(rest) == 1 else "about"


def _unread(facts: Facts) -> tuple[str, ...]:
    """What a reader can do where a card is silent and names bases whose cards were not read."""
    if facts.card is None or facts.lineage:
        return ()
    bases = [name for name, _ in base_models(facts.card)]
    if len(bases) > 1:
        return ("its card names several base models, and none of them alone says what it saw",)
    return tuple(f"its card names the base model {name}: hfkv tokens {name}" for name in bases)
