"""The store: by commit, whole or absent, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hfkv as library
from hfkv.errors import NotFoundError
from hfkv.source import fetch
from hfkv.source import store as module
from hfkv.source.files import Files
from hfkv.source.record import dump_record, load_record
from hfkv.source.store import Store
from hfkv.tensors import Tensor, TensorTable
from tests.hub.server import COMMIT, Hub, Repo, safetensors

Run = Callable[..., tuple[int, str, str]]
MODEL = "acme/model"
TABLE = TensorTable([Tensor(name="a.0.w", dtype="BF16", shape=(2, 3))])
ODD = b"# Card \xff\xfe\n\r\n \xe2\x80\xae"


@pytest.fixture
def small(hub: Hub) -> Hub:
    hub.repos[MODEL] = Repo(
        files={
            "config.json": b'{"model_type": "llama", "a": NaN, "a": 1}',
            "README.md": ODD,
            "model.safetensors": safetensors(TABLE),
        }
    )
    return hub


def _entry(home: Path) -> Path:
    return home / "hfkv" / "models--acme--model" / f"{COMMIT}.json"


def test_what_is_kept_is_what_was_read(small: Hub, home: Path) -> None:
    read = fetch(MODEL)
    kept = Store().read(MODEL, COMMIT)
    assert kept is not None
    assert _entry(home).exists()
    # To the byte, whatever the bytes are.
    assert kept.texts == read.texts
    assert kept.texts["README.md"] == ODD
    assert (kept.tensors, kept.commit, kept.missing) == (read.tensors, COMMIT, read.missing)
    assert kept.source == "cache"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-5],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace("BF16", "F16 "),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace("model_type", "model-type"),
        lambda text: text.replace(f'"{MODEL}"', '"acme/other"'),
        lambda text: text.replace('"written_by": "hfkv', '"written_by": "hfkw'),
        lambda text: "\0" + text,
    ],
)
def test_a_damaged_entry_is_read_anew(small: Hub, home: Path, damage: Callable[[str], str]) -> None:
    first = fetch(MODEL)
    sound = _entry(home).read_text()
    _entry(home).write_text(damage(sound))
    small.forget()
    assert Store().read(MODEL, COMMIT) is None
    again = fetch(MODEL)
    assert (again.texts, again.tensors, again.source) == (first.texts, first.tensors, "hub")
    assert len(small.requests) > 1
    assert _entry(home).read_text() == sound


def test_offline_the_store_answers(small: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    fetch(MODEL, revision="main")
    fetch(MODEL, revision=COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    small.forget()
    for revision in (None, "main", COMMIT):
        assert fetch(MODEL, revision=revision).tensors == TABLE
        assert fetch(MODEL, revision=revision, source="cache").tensors == TABLE
    assert "HF_HUB_OFFLINE" in fetch(MODEL).notes[0]
    assert small.requests == []
    with pytest.raises(NotFoundError):
        Store().read_revision(MODEL, "../../main")


@pytest.mark.parametrize("revision", ["refs/pr/1", "a/../../../b", "..", ".", "/etc/x", "a\\b"])
def test_a_revision_never_leads_out_of_the_folder(home: Path, revision: str) -> None:
    Store().point(MODEL, revision, COMMIT)
    (path,) = [path for path in (home / "hfkv").rglob("*") if path.is_file()]
    assert path.parent == home / "hfkv" / "models--acme--model" / "refs"


def test_a_full_disk_costs_only_a_note(
    small: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    files = fetch(MODEL)
    assert files.tensors == TABLE
    assert any("No space left" in note for note in files.notes)


def test_a_place_that_cannot_be_written_costs_only_a_note(small: Hub, home: Path) -> None:
    (home / "hfkv").write_text("a file where the folder should be")
    files = fetch(MODEL)
    assert files.tensors == TABLE
    assert any("could not be kept" in note for note in files.notes)
    assert fetch(MODEL).tensors == TABLE
    assert Store().entries() == []


def test_a_write_that_fails_leaves_nothing_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "I/O error")))
    files = Files(model=MODEL, source="hub", revision="main", commit=COMMIT)
    assert "I/O error" in (Store().write(files) or "")
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_what_a_killed_process_left_is_removed_with_the_next_write(small: Hub, home: Path) -> None:
    fetch(MODEL)
    old, new = (_entry(home).parent / f".writing-{number}-1" for number in (1, 2))
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (0, 0))
    fetch(MODEL, source="hub")
    assert (old.exists(), new.exists()) == (False, True)


def test_many_processes_write_and_read_at_once(home: Path) -> None:
    code = (
        "import sys\n"
        "from hfkv.source.store import Store\n"
        "from hfkv.source.files import Files\n"
        f"text = {{'README.md': sys.argv[1].encode() * 200000}}\n"
        f"files = Files(model={MODEL!r}, source='hub', revision='main', commit={COMMIT!r}, "
        "texts=text)\n"
        "for _ in range(15):\n"
        "    assert Store().write(files) is None\n"
        f"    found = Store().read({MODEL!r}, {COMMIT!r})\n"
        "    assert found is not None and len(set(found.texts['README.md'])) == 1\n"
    )
    environment = {**os.environ, "HF_HOME": str(home)}
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, letter], env=environment) for letter in "abc"
    ]
    assert [job.wait(60) for job in jobs] == [0, 0, 0]
    assert sorted(path.suffix for path in (home / "hfkv").rglob("*") if path.is_file()) == [
        "",
        ".json",
    ]


def test_a_table_of_ninety_thousand_is_not_expanded_as_it_loads(home: Path) -> None:
    names = [f"l.{a}.e.{b}.{c}" for a in range(61) for b in range(256) for c in "abcdef"]
    table = TensorTable(Tensor(name=name, dtype="BF16", shape=(7168, 2048)) for name in names)
    files = Files(model=MODEL, source="hub", revision="main", commit=COMMIT, tensors=table)
    Store().write(files)
    assert _entry(home).stat().st_size < 10_000
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(event) if event == "call" else None)
    try:
        found = Store().read(MODEL, COMMIT)
    finally:
        sys.setprofile(None)
    assert len(calls) < len(names) / 100
    assert found is not None
    assert found.tensors is not None
    assert (len(found.tensors), found.tensors) == (len(names), table)


def test_base_cards_are_kept_beside_the_commit(hub: Hub) -> None:
    hub.repos["acme/base"] = Repo(files={"README.md": b"It was trained on 2T tokens."})
    card = b"---\nbase_model: acme/base\n---\n# Tuned"
    hub.repos[MODEL] = Repo(files={"config.json": b"{}", "README.md": card})
    first = library.load(MODEL)
    assert first.facts.lineage[0].commit == COMMIT
    hub.forget()
    hub.repos["acme/base"].files["README.md"] = b"It was trained on 9T tokens."
    assert library.load(MODEL, revision=COMMIT).facts.lineage == first.facts.lineage
    assert hub.requests == []
    library.load(MODEL)
    assert hub.asked == [f"/api/models/{MODEL}/revision/main"]


def test_one_format_for_snapshots_and_the_store() -> None:
    files = Files(
        model=MODEL,
        source="hub",
        commit=COMMIT,
        texts={"config.json": b'{"a": 1}', "README.md": b"#"},
        tensors=TABLE,
        notes=("renamed",),
    )
    plain = json.loads(json.dumps(dump_record(files, provenance="x", card=True)))
    raw = json.loads(json.dumps(dump_record(files, provenance="x", raw=True)))
    for record in (plain, raw):
        loaded = load_record(record, source="lock", where="x")
        assert (loaded.texts, loaded.tensors, loaded.notes) == (
            files.texts,
            files.tensors,
            files.notes,
        )


# -- the command ---------------------------------------------------------------------------


def test_the_cache_is_shown_and_cleared(hfkv: Run, small: Hub, home: Path) -> None:
    fetch(MODEL)
    small.repos["acme/other"] = Repo(files={"config.json": b"{}"})
    fetch("acme/other", revision=COMMIT)
    code, out, _ = hfkv("cache")
    assert code == 0
    assert MODEL in out
    assert COMMIT[:12] in out
    value = json.loads(hfkv("cache", "--json")[1])
    assert [(item["model"], item["revisions"]) for item in value["entries"]] == [
        (MODEL, ["main"]),
        ("acme/other", []),
    ]
    assert hfkv("cache", MODEL, "-q")[1] == f"{MODEL} {COMMIT}\n"
    assert hfkv("cache", "acme/none")[0] == 1
    code, out, _ = hfkv("cache", "--clear", MODEL)
    assert (code, "removed: 1 entry" in out) == (0, True)
    assert [entry.model for entry in Store().entries()] == ["acme/other"]
    assert hfkv("cache", "--clear")[0] == 0
    assert list((home / "hfkv").iterdir()) == []
    for form in ("human", "json", "markdown", "csv", "agent", "quiet"):
        assert hfkv("cache", "--format", form)[0] == 0


def test_what_others_put_there_is_not_removed(hfkv: Run, home: Path) -> None:
    theirs: list[Path] = [home / "hub" / "x", home / "hfkv" / "mine", home / "token"]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert hfkv("cache", "--clear")[0] == 0
    assert all(path.exists() for path in theirs)


def test_the_token_is_in_no_file(small: Hub, home: Path) -> None:
    fetch(MODEL, token="hf_secret")
    contents: list[Any] = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert contents
    assert not any(b"hf_secret" in content for content in contents)
