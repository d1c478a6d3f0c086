"""Which divisions in a plan must come out even, because the class refuses them otherwise."""

from __future__ import annotations

import ast
import random
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.facts.config import Config
from hfkv.generate.plan_builds import plain
from hfkv.generate.plan_configs import Space, near, put
from hfkv.modules.expressions import evaluate
from hfkv.modules.table import own_config

__all__ = ["multiples"]

#: Configs to start from, and tries of an uneven division.
_STARTS, _TRIES = 30, 14


def multiples(space: Space, content: Mapping[str, Any], start: list[dict[str, Any]]) -> list[Any]:
    """Pairs of a key and a divisor of it.

    Args:
        space: of the class, as yet unused.
        start: configs that the class takes.
    """
    chance = random.Random(zlib.crc32(space.name.encode()) + 1)
    pool = list(start[:1])
    for _ in range(3 * _STARTS):
        values = near(space, chance, pool)
        if len(pool) < _STARTS and plain(space, values) is not None:
            pool.append(values)
    found = []
    for key, divisor in sorted(set(_divisions(content["trees"]))):
        if key in space.keys and not _taken(space, content, key, divisor, pool, chance):
            found.append([key, divisor])
    return found


def _taken(
    space: Space,
    content: Mapping[str, Any],
    key: str,
    divisor: str,
    pool: list[dict[str, Any]],
    chance: random.Random,
) -> bool:
    """Whether the class takes any config in which the division leaves a rest, if there are any."""
    tried = False
    for _ in range(_TRIES):
        values = chance.choice(pool)
        config = own_config(Config(space.wrap(values), where="config.json"))
        by = evaluate(divisor, space.reader(config, filled=content.get("filled")))
        if by is None or by < 2:
            continue
        tried = True
        uneven = put(values, key, by * chance.randint(4, 40) + chance.randint(1, by - 1))
        if plain(space, uneven) is not None:
            return True
    return not tried


def _divisions(tree: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        yield from _divisions(tree["then"])
        yield from _divisions(tree["else"])
    elif isinstance(tree, list):
        for item in tree:
            yield from _divisions(item)
    elif isinstance(tree, str) and "//" in tree and "[" not in tree:
        for node in ast.walk(ast.parse(tree, mode="eval")):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
                yield ast.unparse(node.left), ast.unparse(node.right)
