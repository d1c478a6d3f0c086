"""No wrong answer is called exact: random small configs of many pairs, with headers of every kind.

``HFKV_EXACTNESS_MINUTES`` says for how long each of the two parts goes on (5 unless given: what CI
has), ``HFKV_EXACTNESS_SEED`` which configs are drawn (0): a nightly run takes more time and a new
seed. What was found is printed after the tests.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.census.exactness import Answer, answers

pytestmark = pytest.mark.oracle

MINUTES = float(os.environ.get("HFKV_EXACTNESS_MINUTES", "5"))
SEED = os.environ.get("HFKV_EXACTNESS_SEED", "0")
#: One for each of the two processors that CI has.
PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
def test_no_wrong_answer_is_called_exact(
    part: int, record_property: Callable[[str, object], None]
) -> None:
    import torch

    from hfkv.live.build import pairs, transformers

    torch.set_num_threads(1)
    transformers()
    order = list(pairs()[part::PARTS])
    random.Random(SEED).shuffle(order)
    counts: Counter[str] = Counter()
    wrong: list[tuple[str, Answer]] = []
    end = time.monotonic() + 60 * MINUTES
    asked = turn = 0
    while asked < len(order) * 100 and time.monotonic() < end:
        model_type, name = order[asked % len(order)]
        turn = asked // len(order)
        asked += 1
        try:
            found = list(answers(model_type, name, seed=f"{SEED}.{turn}"))
        except Exception:
            counts["of pairs that make no config"] += 1
            continue
        counts.update(answer.verdict for answer in found)
        wrong += [(f"{model_type} {name}", item) for item in found if item.verdict == "WRONG"]
    record_property("exactness", [asked, len(wrong), dict(counts)])
    assert not wrong, "\n".join(
        f"{pair}: {item.figure}, header {item.kind}: said {item.said}, right {item.right}, of "
        f"{item.config}"
        for pair, item in wrong
    )
    assert counts["right"]
