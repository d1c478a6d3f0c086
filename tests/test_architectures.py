"""``hfkv architectures``: every row of the registry, once, in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from hfkv.cache import ROWS
from hfkv.cache.catalogue import architectures
from hfkv.json_value import SCHEMA_VERSION
from hfkv.versions import first_release, release, releases, tables

Run = Callable[..., tuple[int, str, str]]


def test_every_row_is_listed_once_by_name() -> None:
    names = [item.model_type for item in architectures()]
    assert names == sorted(set(names))
    assert set(ROWS) <= set(names)


@pytest.mark.parametrize(
    ("model_type", "kinds"),
    [
        ("llama", ("full",)),
        ("mistral", ("sliding",)),
        ("gpt_oss", ("sliding", "full")),
        ("deepseek_v3", ("latent",)),
        ("llama4", ("chunked", "full")),
    ],
)
def test_kinds_are_those_of_the_default_config(model_type: str, kinds: tuple[str, ...]) -> None:
    (found,) = [item for item in architectures() if item.model_type == model_type]
    assert found.kinds == kinds
    assert found.basis == "exact"
    assert found.source.startswith(f"transformers {tables()['transformers']}: ")


def test_every_entry_says_how_it_is_known_and_from_where() -> None:
    for item in architectures():
        assert item.basis in ("exact", "documented")
        assert item.source
        assert item.basis != "documented" or not item.source.startswith(
            f"transformers {tables()['transformers']}: "
        )


def test_the_formats_agree(hfkv: Run) -> None:
    code, out, err = hfkv("architectures", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    modules = [value.pop("lora") for value in values]
    assert {value.pop("schema_version") for value in values} == {SCHEMA_VERSION}
    assert all(value.pop("versions") == tables() for value in values)
    assert set(modules) == {"exact", "documented", "inferred"}
    assert values == [item.to_json() for item in architectures()]
    names = [value["model_type"] for value in values]
    assert hfkv("architectures", "-q")[1].split() == names
    rows = list(csv.DictReader(io.StringIO(hfkv("architectures", "--format", "csv")[1])))
    assert [row["model_type"] for row in rows] == names
    markdown = hfkv("architectures", "--format", "markdown")[1]
    assert all(f"\n| {name} | " in markdown for name in names)
    human = hfkv("architectures")[1]
    assert "llama" in human
    assert max(len(line) for line in human.splitlines()) <= 80


def test_one_basis_alone(hfkv: Run) -> None:
    values = json.loads(hfkv("architectures", "--basis", "documented", "--json")[1])
    assert {value["basis"] for value in values} <= {"documented"}
    assert hfkv("architectures", "--basis", "guessed")[0] == 2


def test_those_that_a_release_did_not_have(hfkv: Run) -> None:
    every = {item.model_type: item for item in architectures()}
    for asked in ("5.20.0", "5.20", "v5.20"):
        code, out, err = hfkv("architectures", "--since", asked, "-q")
        assert (code, err) == (0, "")
        found = out.split()
        assert found
        assert found == [
            name
            for name, item in every.items()
            if item.since is not None and release(item.since) > release("5.20.0")
        ]
    assert {name for name in every if first_release(name) == tables()["transformers"]} <= set(found)
    assert "llama" not in found
    # Only what has code of its own can have come to transformers after the release of the tables.
    for name in hfkv("architectures", "--since", tables()["transformers"], "-q")[1].split():
        assert every[name].basis == "documented"
    oldest = hfkv("architectures", "--since", releases()[0], "-q")[1].split()
    assert set(found) < set(oldest)
    assert oldest == [name for name, item in every.items() if item.since]


def test_a_release_that_was_not_read_is_refused(hfkv: Run) -> None:
    for asked in ("5.20.1", "4.40.0", "6.0", "newest"):
        code, out, err = hfkv("architectures", "--since", asked)
        assert (code, out) == (2, "")
        assert "were not recorded" in err
        assert "5.20.0" in err
