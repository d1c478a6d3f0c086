"""What llama.cpp and mlx-lm allocated for published configs, where these are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hfkv.engines import LlamaCpp, Mlx
from hfkv.engines.llamacpp_rows import DATA as LLAMACPP
from hfkv.engines.llamacpp_rows import architecture
from hfkv.engines.mlx_modules import DATA as MLX
from hfkv.engines.mlx_modules import module_of
from hfkv.engines.subject import Subject, subject_of
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.reading import parse_json_object
from tests.engines.rows import SMALL, read_rows, small_subject, subject

_CONFIGS = Path(__file__).parents[3] / "shared" / "data" / "configs"
ROWS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "engines" / "published.json").read_text("utf-8")
)

pytestmark = pytest.mark.skipif(not _CONFIGS.exists(), reason="no configs beside the checkout")


def published(name: str) -> Subject:
    """The model of a published config."""
    raw = parse_json_object((_CONFIGS / f"{name}.json").read_bytes(), where=name)
    return subject_of(Facts(model=name, source="directory", config=raw))


@pytest.mark.parametrize("name", ROWS["llama.cpp"])
def test_llama_cpp(name: str) -> None:
    asked = published(name)
    for variant, expected in zip(ROWS["llama.cpp variants"], ROWS["llama.cpp"][name], strict=True):
        engine = LlamaCpp(**SMALL["llama.cpp options"][variant])
        if expected is None:
            with pytest.raises(UnsupportedError):
                engine.allocate(asked, tokens=1)
        else:
            assert engine.allocate(asked, tokens=1).bytes == expected, variant


@pytest.mark.parametrize("name", ROWS["mlx"])
def test_mlx(name: str) -> None:
    asked = published(name)
    for variant, expected in ROWS["mlx"][name].items():
        how = ROWS["mlx variants"][variant]
        engine = Mlx(generated=how["generated"], **how["options"])
        if expected is None:
            with pytest.raises(UnsupportedError):
                engine.allocate(asked, tokens=how["tokens"])
            continue
        found = engine.allocate(asked, tokens=how["tokens"])
        facts = found.facts
        assert [found.bytes, facts["bytes_after_prefill"], facts["peak_prefill"]] == expected


def test_what_is_called_checked_has_a_row() -> None:
    small = SMALL["llama.cpp"]
    models = [published(name) for name, row in ROWS["llama.cpp"].items() if any(row)]
    made = [small_subject(name) for name, row in small.items() if set(row.values()) != {"error"}]
    assert set(LLAMACPP["checked"]) <= {architecture(model) for model in [*models, *made]}
    models = [published(name) for name, row in ROWS["mlx"].items() if any(row.values())]
    made = [
        small_subject(name)
        for name, rows in SMALL["mlx"].items()
        if any("error" not in row for row in rows)
    ]
    models += [subject(row["model"]) for row in read_rows("mlx-lm_0.32.2.jsonl")]
    assert set(MLX["checked"]) <= {module_of(model) for model in [*models, *made]}
