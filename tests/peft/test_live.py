"""LoRA on a class that is built now, in place of a header: ``hfkv lora --basis live``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.peft.base import Base
from hfkv.peft.lora import LoraOptions, count
from tests.census.lora_compare import disagreement
from tests.census.lora_goldens import records
from tests.peft.tiny import CONFIG, PER_RANK

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A config.json without weights."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIG, "torch_dtype": "bfloat16"}))
    return str(path)


def test_a_config_that_does_not_tell_is_refused_with_the_way_out(hfkv: Run, tmp_path: Path) -> None:
    config = {**CONFIG, "per_layer_config": {"0": {}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    code, out, err = hfkv("lora", str(tmp_path))
    assert (code, out) == (1, "")
    assert "--basis live" in err


def test_without_the_extra_it_says_how_to_install_it(
    hfkv: Run, bare: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, err = hfkv("lora", bare, "--basis", "live")
    assert code == 1
    assert "pip install 'hfkv[verify]'" in err


@pytest.mark.oracle
def test_a_bare_config_is_counted_on_the_class_itself(hfkv: Run, bare: str) -> None:
    pytest.importorskip("peft")
    code, out, _ = hfkv("lora", bare, "--basis", "live", "--rank", "4", "--json")
    value = json.loads(out)
    assert (code, value["parameters"], value["basis"]) == (0, 4 * PER_RANK, "live")
    assert any("no header was read" in note for note in value["notes"])


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "item", records()[::7], ids=lambda item: f"{item['model_type']}-{item['class']}"
)
def test_it_counts_as_peft_does(item: dict[str, Any]) -> None:
    pytest.importorskip("peft")
    from hfkv.live.modules import live_built

    config = {**item["config"], "architectures": [item["class"]]}
    facts = Facts(model="census", source="directory", config=config)
    built = live_built(config)
    wrong = {}
    for case, (options, theirs) in item["cases"].items():
        try:
            given = {"r": 8, "target_modules": None, **options}
            figure = count(
                Base(facts, known=built), LoraOptions.from_options(**given), dtype="bf16"
            )
            mine: dict[str, Any] = {
                "trainable": figure.trainable_parameters,
                "all": figure.all_parameters,
                "per_target": {name: n for name, n in figure.per_target.items() if n},
            }
        except HfkvError as error:
            mine = {"error": type(error).__name__, "reason": str(error)}
        if "ensure_weight_tying" not in mine.get("reason", ""):
            found = disagreement(mine, theirs)
            if found is not None:
                wrong[case] = found
    assert not wrong
