"""Files that a class may be given: its own as saved, and others that differ from it, asked of hfkv.

For a pair of ``model_type`` and class, small random configs are drawn and the class is built; then
hfkv is asked with its header as saved, without a header, and with headers that are not the class's:
some weights missing, some added, some renamed, one of another config. Right is what the class and
PEFT make of the config, whatever the file holds. hfkv may say so, refuse, or say another number
with a basis that is not ``exact``; a wrong number called ``exact`` is the one fault.

``python -m tests.census.exactness [--seed S] [--draws N] [TYPE...]`` prints the counts.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.tensors import Tensor, TensorTable

__all__ = ["KINDS", "Answer", "answers", "headers"]

#: Ways in which a header can stand to its config.
KINDS = ("saved", "none", "missing", "layer missing", "added", "renamed", "other")
#: Draws until one is a config of the class.
_TRIES = 40
_TOKENS = 21
_OPTIONS: Mapping[str, Any] = {"r": 8, "target_modules": "all-linear"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question: what hfkv said, and what is right.

    Attributes:
        kind: of the header, one of :data:`KINDS`.
        figure: ``lora`` (trainable parameters) or ``kv`` (bytes).
        said, basis: hfkv's number with its basis; None where it refused, with the reason.
        right: the class's number; None where the class or PEFT refuses.
        config: what was asked about.
    """

    kind: str
    figure: str
    said: int | None
    basis: str
    reason: str
    right: int | None
    config: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """right, refused, hedged (another number, not called exact), needless (a number where
        the class has none, not called exact) or WRONG."""
        if self.said is None:
            return "refused" if self.right is not None else "both refuse"
        if self.said == self.right:
            return "right" if self.basis == "exact" else "right, not exact"
        return "WRONG" if self.basis == "exact" else "hedged"


def headers(
    saved: list[Tensor], other: list[Tensor], chance: random.Random
) -> Iterator[tuple[str, TensorTable | None]]:
    """Each kind of header with a header of that kind, where one can be made."""
    yield "saved", TensorTable(saved)
    yield "none", None
    matrices = [tensor for tensor in saved if len(tensor.shape) > 1]
    if matrices:
        gone = {tensor.name for tensor in chance.sample(matrices, min(3, len(matrices)))}
        yield "missing", TensorTable(t for t in saved if t.name not in gone)
        like = chance.choice(matrices)
        named = [f"{like.name.rpartition('.')[0] or 'extra'}_more.weight", "draft.fc.weight"]
        more = [Tensor(name=name, dtype=like.dtype, shape=like.shape) for name in named]
        yield "added", TensorTable([*saved, more[chance.randrange(2)]])
        ending = like.name.rpartition(".")[0].rpartition(".")[2] or like.name
        changed = [
            Tensor(name=t.name.replace(ending, f"{ending}2"), dtype=t.dtype, shape=t.shape)
            for t in saved
        ]
        yield "renamed", TensorTable(changed)
    numbers = {part for tensor in saved for part in tensor.name.split(".") if part.isdigit()}
    if len(numbers) > 1:
        last = max(numbers, key=int)
        rest = [tensor for tensor in saved if last not in tensor.name.split(".")]
        if rest and len(rest) < len(saved):
            yield "layer missing", TensorTable(rest)
    if {(t.name, t.shape) for t in other} != {(t.name, t.shape) for t in saved}:
        yield "other", TensorTable(other)


def _drawn(space: Any, chance: random.Random, pool: list[Any]) -> tuple[Any, Any] | None:
    """A random config that the class takes, with the model."""
    from hfkv.generate.plan_builds import plain
    from hfkv.generate.plan_configs import near

    for _ in range(_TRIES):
        values = near(space, chance, pool)
        model = plain(space, values)
        if model is not None:
            return values, model
    return None


def _saved(model: Any) -> list[Tensor]:
    from tests.census.lora_cases import published

    return [Tensor(name=n, dtype=dtype, shape=shape) for n, dtype, shape in published(model)]


def _lora(model: Model) -> tuple[int | None, str, str]:
    try:
        figure = model.lora(**_OPTIONS, dtype="bf16")
    except HfkvError as error:
        return None, "", str(error)
    return figure.trainable_parameters, figure.basis, ""


def _kv(model: Model) -> tuple[int | None, str, str]:
    try:
        figure = model.kv_cache(tokens=_TOKENS, dtype="bf16", encoder_tokens=None)
    except HfkvError as error:
        return None, "", str(error)
    return figure.bytes, figure.basis, ""


def _encoder_tokens(model: Model) -> int | None:
    """The length of an encoder's output that hfkv assumes."""
    try:
        return model.kv_cache(tokens=_TOKENS, dtype="bf16").encoder_tokens
    except HfkvError:
        return None


def _live_bytes(raw: Mapping[str, Any], encoder_tokens: int | None) -> int | None:
    """Bytes of the class's own cache; None where it does not run."""
    from hfkv.live.build import build, config_of
    from hfkv.live.filled_cache import read_cache, run

    widths = {"float32": 4, "int64": 8, "int32": 4, "float64": 8, "bool": 1, "uint8": 1, "int8": 1}
    try:
        layers = read_cache(run(build(config_of(raw)), _TOKENS, encoder_tokens=encoder_tokens))
    except Exception:
        return None
    total = 0
    for layer in layers:
        for _, shape, dtype in layer:
            total += math.prod(shape) * widths.get(dtype.removeprefix("torch."), 2)
    return total


def answers(model_type: str, name: str, *, seed: str = "0", draws: int = 1) -> Iterator[Answer]:
    """Every question about random configs of one class."""
    from hfkv.generate.plan_builds import without_values
    from hfkv.generate.plan_configs import space_of
    from hfkv.generate.plans import smallest
    from hfkv.live.build import config_of
    from hfkv.live.lora import build_for, measure

    chance = random.Random(f"{seed} {model_type} {name}")
    with without_values():
        space = space_of(model_type, name)
        pool = smallest(space)
        for _ in range(draws if pool else 0):
            found = _drawn(space, chance, pool)
            other = _drawn(space, chance, pool)
            if found is None or other is None:
                return
            values, model = found
            raw = json.loads(json.dumps(space.wrap(values)))
            try:
                saved, others = _saved(model), _saved(other[1])
            except Exception:
                continue
            measured = measure(build_for(config_of(copy.deepcopy(raw)), name), _OPTIONS)
            right = measured.get("trainable")
            cache: int | None = None
            for kind, header in headers(saved, others, chance):
                facts = Facts(
                    model=f"{model_type}/{kind}", source="directory", config=raw, tensors=header
                )
                asked = Model(facts)
                if kind == "saved":
                    cache = _live_bytes(raw, _encoder_tokens(asked))
                judged = {"lora": (_lora, right), "kv": (_kv, cache)}
                for figure, (ask, wanted) in judged.items():
                    if figure == "kv" and wanted is None:
                        continue  # the class does not run, so that nothing says what is right
                    said, basis, reason = ask(asked)
                    yield Answer(
                        kind=kind,
                        figure=figure,
                        said=said,
                        basis=basis,
                        reason=reason,
                        right=wanted,
                        config=raw,
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--part", default="0/1", help="K/N: every N-th pair from the K-th on")
    given = parser.parse_args()
    import torch

    from hfkv.live.build import pairs, transformers

    torch.set_num_threads(1)
    transformers()
    first, _, step = given.part.partition("/")
    total: Counter[tuple[str, str, str]] = Counter()
    for model_type, name in [p for p in pairs() if not given.types or p[0] in given.types][
        int(first) :: int(step)
    ]:
        try:
            found = list(answers(model_type, name, seed=given.seed, draws=given.draws))
        except Exception as error:  # some defaults make no config; it is said, and counted
            print(f"failed {name}: {type(error).__name__}: {error}"[:200], flush=True)
            total["failed", "", ""] += 1
            continue
        for answer in found:
            total[answer.figure, answer.kind, answer.verdict] += 1
            if answer.verdict == "WRONG":
                print(
                    f"WRONG {model_type} {name} {answer.figure} header {answer.kind}: said "
                    f"{answer.said:,}, right {answer.right}",
                    flush=True,
                )
            elif answer.verdict == "refused" and answer.kind in ("saved", "none"):
                print(
                    f"refused {name} {answer.figure} {answer.kind}: {answer.reason[:200]}",
                    flush=True,
                )
    for key, count in sorted(total.items()):
        print(*key, count)
    print("wrong and exact:", sum(n for key, n in total.items() if key[2] == "WRONG"))


if __name__ == "__main__":
    main()
