"""PEFT's methods side by side: sizes that were named, defaults, and equal bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from hfkv.comparison.methods import methods, parse_methods
from hfkv.errors import HfkvError, InputError
from hfkv.model import Model
from hfkv.peft.tuners.rules import RULES
from tests.peft.tiny import CONFIG, facts

Run = Callable[..., tuple[int, str, str]]
TARGETS = ["q_proj", "o_proj"]


def test_names_and_sizes() -> None:
    assert parse_methods("ia3, vera ,lora:32,prefix-tuning:5") == [
        ("IA3", None),
        ("VERA", None),
        ("LORA", 32),
        ("PREFIX_TUNING", 5),
    ]
    for text in ("nope", "lora:x", "lora:0", "lora:"):
        with pytest.raises(InputError):
            parse_methods(text)


def test_a_size_is_the_knob() -> None:
    model = Model(facts())
    (lora, hra, ia3) = methods(
        model, [("LORA", None), ("HRA", 3), ("IA3", 4)], target_modules=TARGETS, r=2
    )
    assert lora.figure is not None
    assert (lora.size, lora.figure.parameters) == (2, 2 * 2 * 2 * 128)
    assert hra.figure is not None
    assert (hra.knob, hra.size, hra.figure.parameters) == ("r", 3, 2 * 2 * 64 * 3)
    assert ia3.figure is None
    assert "no field that sets its size" in ia3.reason


MOST = 80


@cache
def by_size(method: str) -> dict[int, int]:
    """Bytes at each size that is possible."""
    found: dict[int, int] = {}
    for size in range(1, MOST):
        (tried,) = methods(Model(facts()), [(method, size)], target_modules=TARGETS, dtype="bf16")
        if tried.figure is not None:
            found[size] = tried.figure.bytes
    return found


#: Methods with a size, and fields that the tiny model needs of them.
_SIZED = sorted(name for name, rule in RULES.items() if rule.knob is not None)


@pytest.mark.parametrize("method", [*_SIZED, "LORA", "PROMPT_TUNING"])
@pytest.mark.parametrize("limit", [300, 4096])
def test_equal_bytes_is_the_largest_of_all_sizes(method: str, limit: int) -> None:
    model = Model(facts())
    (entry,) = methods(
        model, [(method, None)], target_modules=TARGETS, dtype="bf16", match_bytes=limit
    )
    found = by_size(method)
    fitting = {size: count for size, count in found.items() if count <= limit}
    if entry.figure is None:
        assert not fitting, (entry.reason, fitting)
        return
    assert entry.figure.bytes <= limit
    assert entry.size is not None
    if fitting and max(fitting) < MOST - 1:
        assert entry.figure.bytes == max(fitting.values())
    if entry.size in found:
        assert found[entry.size] == entry.figure.bytes


def test_a_method_that_cannot_be_is_a_reason(hfkv: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    arguments = ("compare", str(tmp_path), "--target-modules", "q_proj,v_proj")
    code, out, err = hfkv(*arguments, "--method", "vera:4,c3a,lora:3", "--json")
    (value,) = json.loads(out)
    vera, c3a, lora = value["methods"]
    assert (code, err) == (0, "")
    assert (vera["method"], vera["knob"], vera["size"]) == ("VERA", "r", 4)
    assert vera["parameters"] == 2 * (4 + 64 + 4 + 32)
    assert "block_size" in c3a["reason"]
    assert lora["parameters"] == 3 * 2 * (128 + 96)
    assert hfkv(*arguments, "--method", "nope")[0] == 2
    assert hfkv(*arguments, "--match-bytes")[0] == 2
    code, out, _ = hfkv(*arguments, "--method", "vera,lora,c3a", "--match-bytes", "--rank", "2")
    assert code == 0
    # Where lines end depends on the directory's name.
    said = " ".join(out.split())
    assert "lora r=2" in said
    assert "methods of PEFT" in said


def test_the_reason_names_the_model() -> None:
    (entry,) = methods(Model(facts()), [("LN_TUNING", None)], match_bytes=1)
    assert entry.figure is not None  # it has no size to choose
    (entry,) = methods(Model(facts()), [("HRA", None)], match_bytes=1, target_modules=TARGETS)
    assert entry.figure is None
    assert "256 bytes" in entry.reason or "bytes" in entry.reason
    with pytest.raises(HfkvError):
        Model(facts()).adapter({"peft_type": "HRA", "r": 0})
