"""Plans from configs: time of one, time and memory of ten thousand, against AutoConfig and a
formula in the same run.

Run as ``python -m tests.benchmarks.bench_plans [FOLDER]``; the configs are the recordings of the
tests, or the ``*.json`` of a folder. Prints ratios, since seconds are only those of one machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hfkv.cache import kv_cache
from hfkv.errors import HfkvError
from hfkv.facts import Facts

MANY = 10_000
ROUNDS = 5
TOKENS = 100_000
#: What is aimed at.
AIM_ONE_MS = 1.0
AIM_GROWTH = 1_000_000


def configs(folder: Path | None) -> list[dict[str, Any]]:
    """The configs of a folder that hfkv answers for, or of the recordings."""
    if folder is None:
        from tests.census.goldens import load

        return [golden["config"] for golden in load()]
    found = []
    for path in sorted(folder.glob("*.json")):
        config = json.loads(path.read_bytes())
        try:
            ours(config)
        except HfkvError:
            continue
        found.append(config)
    return found


def ours(config: dict[str, Any]) -> int:
    """hfkv's figure, from the parsed config to bytes."""
    facts = Facts(model="benchmark", source="directory", config=config)
    return kv_cache(facts, tokens=TOKENS, dtype="bf16").bytes


def theirs(config: dict[str, Any]) -> int:
    """What people write today: AutoConfig's class and the formula for full attention."""
    from transformers import AutoConfig, logging

    logging.set_verbosity_error()
    values = {key: value for key, value in config.items() if key != "model_type"}
    made = AutoConfig.for_model(config["model_type"], **values).get_text_config(decoder=True)
    heads = made.num_attention_heads
    dim = getattr(made, "head_dim", None) or made.hidden_size // heads
    kept = getattr(made, "num_key_value_heads", None) or heads
    return int(2 * made.num_hidden_layers * kept * dim * TOKENS * 2)


def each(function: Callable[[dict[str, Any]], int], values: Sequence[dict[str, Any]]) -> float:
    """Median seconds of one call, over all configs that it takes, best of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for value in values:
            start = time.perf_counter()
            try:
                function(value)
            except Exception:  # a class may refuse what is written for another
                continue
            times.append(time.perf_counter() - start)
        rounds.append(statistics.median(times))
    return min(rounds)


def many(values: Sequence[dict[str, Any]]) -> tuple[float, int]:
    """Seconds of ten thousand figures, and bytes that are left allocated after as many more."""
    start = time.perf_counter()
    for number in range(MANY):
        ours(values[number % len(values)])
    seconds = time.perf_counter() - start
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(MANY):
        ours(values[number % len(values)])
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return seconds, growth


def main(arguments: Sequence[str]) -> None:
    """Print the figures and ratios."""
    values = configs(Path(arguments[0]) if arguments else None)
    print(f"{len(values)} configs")
    mine, reference = each(ours, values), each(theirs, values)
    print(f"one figure       {1000 * mine:6.3f} ms (aim {AIM_ONE_MS} ms)")
    print(f"AutoConfig       {1000 * reference:6.3f} ms, {reference / mine:.2f}x of hfkv's")
    seconds, growth = many(values)
    print(f"{MANY:,} figures   {seconds:6.2f} s, {seconds / MANY / mine:.2f}x of one each")
    print(f"memory kept      {growth:,} B after {MANY:,} more (aim below {AIM_GROWTH:,} B)")


if __name__ == "__main__":
    main(sys.argv[1:])
