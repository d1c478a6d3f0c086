"""The lock: what it holds, that it diffs well, and that damage is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.locking import check_lock, lock
from hfkv.check.settings import find_settings
from hfkv.errors import InputError, NetworkError
from hfkv.model import Model, load
from hfkv.source.lock import Lock, dump_lock, lock_key, read_lock
from hfkv.source.snapshot import read_snapshot
from tests.check.conftest import LLAMA, QWEN, Project, from_snapshots
from tests.hub.server import Hub

Run = Callable[..., tuple[int, str, str]]
CLAIM = f"<!-- hfkv: kv {LLAMA} --tokens 100k -->32.77 GB<!-- /hfkv -->"


@pytest.fixture
def locked(project: Project) -> Project:
    """A project with two models locked, and no findings."""
    project.write("hfkv.toml", f'models = ["{QWEN}"]\n')
    project.write("README.md", CLAIM)
    project.lock()
    return project


def _edit(project: Project, old: str, new: str) -> None:
    file = project.root / "hfkv.lock"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def _lock_findings(project: Project) -> list[tuple[int, str, str]]:
    return [
        (item.line, item.code, item.message)
        for item in project.check(locked=False)
        if item.path == "hfkv.lock"
    ]


def test_every_kind_of_check_names_its_models(project: Project) -> None:
    (project.root / "base").mkdir()
    project.write("base/config.json", {"model_type": "llama"})
    project.write("README.md", CLAIM + "<!-- hfkv: kv ./base -->1<!-- /hfkv -->")
    project.write("a.json", {"peft_type": "LORA", "base_model_name_or_path": "google/gemma-2b-it"})
    project.write("b.json", {"peft_type": "LORA", "base_model_name_or_path": "base"})
    project.write("t.yaml", "base_model: microsoft/phi-4\nadapter: lora\nlora_r: 8\n")
    project.write("c.yaml", "base_model: /some/where\nadapter: lora\nlora_r: 8\n")
    project.write(
        "hfkv.toml",
        f'models = ["{QWEN}"]\nbases = {{"c.yaml" = "Qwen/Qwen3-4B"}}\n'
        '[[budget]]\nmodel = "Qwen/Qwen3-32B"\nkv-cache = "1TB"\n',
    )
    project.lock()
    assert list(read_lock(project.root / "hfkv.lock").keys) == [
        "google/gemma-2b-it", LLAMA, "microsoft/phi-4", "Qwen/Qwen3-32B", "Qwen/Qwen3-4B", QWEN,
    ]  # fmt: skip


def test_a_locked_model_says_so_and_answers_as_the_snapshot(locked: Project) -> None:
    files = read_lock(locked.root / "hfkv.lock").files(LLAMA.lower())
    assert files.source == "lock"
    snapshot = load(LLAMA, source="snapshot")
    assert files.tensors == snapshot.facts.tensors
    assert files.statement == snapshot.pretraining.to_json()
    assert locked.check(locked=False) == []


@pytest.mark.parametrize(
    "model", [LLAMA, QWEN, "google/gemma-3-27b-it", "openai/gpt-oss-20b", "tiiuae/falcon-7b"]
)
def test_every_model_is_a_few_kilobytes(model: str) -> None:
    from hfkv.check.locking import Named, _record

    record = _record(
        from_snapshots(model, None), Named(model=model, revision=None, path="", line=1)
    )
    text = dump_lock([record])
    assert len(text) < 12_000
    assert max(map(len, text.splitlines())) < 2000
    value = json.loads(text)["models"][model]
    assert value["digest"] == record["digest"]
    assert read_snapshot(model).tensors == Lock(records={model: value}).files(model).tensors


def test_models_that_two_branches_add_apart_from_each_other_merge(project: Project) -> None:
    import subprocess

    root = project.root

    def git(*arguments: str) -> None:
        names = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *names, *arguments], cwd=root, check=True, capture_output=True)

    models = ["google/gemma-2b-it", "microsoft/phi-4"]
    project.write("hfkv.toml", f"models = {json.dumps(models)}")
    project.lock()
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    for branch, model in (("a", LLAMA), ("b", QWEN)):
        git("checkout", "-q", "-b", branch, "main")
        project.write("hfkv.toml", f"models = {json.dumps([*models, model])}")
        project.lock()
        git("add", "hfkv.lock")
        git("commit", "-q", "-m", branch)
        git("checkout", "-q", "-f", branch)
    git("merge", "-q", "--no-edit", "a")
    assert len(read_lock(root / "hfkv.lock").records) == 4


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"num_hidden_layers": 36', '"num_hidden_layers": 35', f"{QWEN}: the record does not"),
        ('"digest": "', '"digest": "0', "does not match its digest"),
        ('[["0-79"]]', '[["0-78"]]', f"{LLAMA}: the record does not match its digest"),
        (f' "{QWEN}": {{', f' "{QWEN}x": {{', "it is the record of"),
        (f' "{QWEN}": {{', f' "{QWEN}": 3, "x": {{', "expected a record"),
        ('  "format": 1', '  "format": 2', "format 2"),
    ],
)
def test_a_record_that_was_edited_is_named_with_its_line(
    locked: Project, old: str, new: str, words: str
) -> None:
    _edit(locked, old, new)
    found = _lock_findings(locked)
    text = (locked.root / "hfkv.lock").read_text("utf-8").splitlines()
    assert {code for _, code, _ in found} == {"HFKV004"}
    assert any(words in message for _, _, message in found)
    assert "hfkv lock" in found[0][2]
    assert all(text[line - 1].lstrip()[0] in '"{' for line, _, _ in found)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("{", "<<<<<<< HEAD\n{", 1, "merge conflict"),
        ('\n  "Qwen', '\n=======\n  "Qwen', None, "merge conflict"),
        (": {", ": ", 4, "not readable as JSON"),
        ('{\n "format": 1', '{\n "format": 7', 1, "format 7"),
        ("{", "[", 2, "not readable as JSON"),
        ("{", "", 2, "not readable as JSON"),
    ],
)
def test_a_lock_that_cannot_be_read_is_one_finding(
    locked: Project, old: str, new: str, line: int | None, words: str
) -> None:
    _edit(locked, old, new)
    (found,) = locked.check(locked=False)
    assert (found.path, found.code) == ("hfkv.lock", "HFKV004")
    assert words in found.message
    assert line is None or found.line == line


def test_a_model_that_is_there_twice_is_named(locked: Project) -> None:
    text = (locked.root / "hfkv.lock").read_text("utf-8")
    start = text.index(f'  "{QWEN}"')
    one = text[start : text.rindex("\n }")]
    (locked.root / "hfkv.lock").write_text(text.replace(one, f"{one},\n{one}"), "utf-8")
    (found,) = _lock_findings(locked)
    assert "it is there twice" in found[2]


def test_line_ends_and_layout_do_not_matter(locked: Project) -> None:
    file = locked.root / "hfkv.lock"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert locked.check(locked=False) == []
    file.write_text(json.dumps(json.loads(file.read_text("utf-8"))), "utf-8")
    assert locked.check(locked=False) == []
    assert check_lock(find_settings(locked.root)) == []


def test_locking_keeps_what_is_locked_and_upgrades_on_demand(locked: Project) -> None:
    asked: list[str] = []

    def fetch(model: str, revision: str | None) -> Model:
        asked.append(model)
        return from_snapshots(model, revision)

    settings = find_settings(locked.root)
    before = (locked.root / "hfkv.lock").stat().st_mtime_ns
    done = lock(settings, fetch)
    assert (asked, done.written, set(done.changes.values())) == ([], False, {"unchanged"})
    assert (locked.root / "hfkv.lock").stat().st_mtime_ns == before
    lock(settings, fetch, upgrade=QWEN.upper())
    assert asked == [QWEN]
    lock(settings, fetch, everything=True)
    assert sorted(asked[1:]) == sorted([LLAMA, QWEN])
    with pytest.raises(InputError, match="no check names"):
        lock(settings, fetch, upgrade="gpt2")


def test_what_is_damaged_is_locked_anew_and_what_nothing_names_is_dropped(locked: Project) -> None:
    good = (locked.root / "hfkv.lock").read_bytes()
    _edit(locked, '"num_hidden_layers": 36', '"num_hidden_layers": 35')
    locked.lock()
    assert (locked.root / "hfkv.lock").read_bytes() == good
    locked.write("README.md", "nothing")
    (found,) = check_lock(find_settings(locked.root))
    assert (found.path, found.code) == ("hfkv.lock", "HFKV006")
    assert LLAMA in found.message
    done = lock(find_settings(locked.root), from_snapshots)
    assert done.changes == {QWEN: "unchanged", LLAMA: "removed: no check names it"}


def test_a_model_that_cannot_be_had_costs_only_itself(locked: Project) -> None:
    locked.write("more.md", CLAIM.replace(LLAMA, "google/gemma-2b-it"))

    def fetch(model: str, revision: str | None) -> Model:
        raise NetworkError("down", where=model)

    done = lock(find_settings(locked.root), fetch, everything=True)
    assert done.failed == 3
    assert list(read_lock(locked.root / "hfkv.lock").records) == [LLAMA, QWEN]


def test_a_revision_is_part_of_the_name(locked: Project) -> None:
    assert lock_key("a/b", "v2") == "a/b@v2"
    assert lock_key("a/b", "main") == lock_key("a/b") == "a/b"
    locked.write("README.md", CLAIM.replace("--tokens", "--revision v2 --tokens"))
    (found, *_) = [item for item in locked.check(locked=False) if item.path == "README.md"]
    assert found.code == "HFKV002"
    assert f"{LLAMA}@v2 is not locked" in found.message


def test_the_command(locked: Project, hfkv: Run) -> None:
    assert hfkv("lock", "--check") == (0, "", "")
    code, out, err = hfkv("lock", "--source", "snapshot")
    assert (code, out, err) == (0, "", "hfkv.lock: already up to date, 2 models\n")
    locked.write("more.md", CLAIM.replace(LLAMA, "google/gemma-2b-it"))
    code, out, err = hfkv("lock", "--check")
    assert code == 1
    assert out == "more.md:1: HFKV006 google/gemma-2b-it is not in hfkv.lock: run `hfkv lock`\n"
    code, out, _ = hfkv("lock", "--source", "snapshot")
    assert code == 0
    assert out.startswith("google/gemma-2b-it: locked without a commit")
    assert hfkv("lock", "--check")[0] == 0
    assert hfkv("lock", "--check", "--upgrade")[0] == 2
    assert hfkv("lock", "--upgrade", "gpt2")[0] == 2
    assert hfkv("lock", "--upgrade", QWEN, "--source", "snapshot")[0] == 0
    assert hfkv("lock", "--upgrade", "--source", "snapshot")[0] == 0
    code, _, err = hfkv("lock", "--upgrade", QWEN, "--source", "cache")
    assert code == 1
    assert err.startswith(f"Error: {QWEN}: ")
    _edit(locked, "{", "<<<<<<< a\n{")
    code, _, err = hfkv("lock", "--source", "snapshot")
    assert code == 1
    assert "merge conflict" in err


def test_from_the_hub_at_a_commit_and_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub, hfkv: Run
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    project.write("README.md", CLAIM)
    code, out, _ = hfkv("check", "README.md")
    assert code == 1
    assert "is not locked: run `hfkv lock`" in out
    assert hfkv("check", "README.md", "--online", "-q")[:2] == (0, "")
    code, out, err = hfkv("lock")
    assert code == 0, err
    record: dict[str, Any] = json.loads((tmp_path / "hfkv.lock").read_text())["models"][LLAMA]
    assert len(record["commit"]) == 40
    assert record["commit"][:12] in out
    assert record["card"] is None
    assert record["statement"]["tokens"] == 15 * 10**12
    asked = list(hub.requests)
    assert hfkv("check", "README.md", "-q")[:2] == (0, "")
    assert list(hub.requests) == asked


def test_an_adapter_repository_brings_its_base(project: Project) -> None:
    adapter = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": QWEN}

    def fetch(model: str, revision: str | None) -> Model:
        if model == QWEN:
            return from_snapshots(QWEN, None)
        from hfkv.facts import Facts

        return Model(
            Facts(
                model=model,
                source="hub",
                commit="0" * 40,
                extra={"adapter_config.json": adapter},
                base=from_snapshots(QWEN, None).facts,
            )
        )

    question = "kv me/adapter --tokens 1k --field bytes_per_token"
    project.write("README.md", f"<!-- hfkv: {question} -->147,456 B<!-- /hfkv -->")
    settings = find_settings(project.root)
    lock(settings, fetch)
    assert read_lock(project.root / "hfkv.lock").keys == ["me/adapter", QWEN]
    assert project.check(locked=False) == []
    assert check_lock(settings) == []
    assert set(lock(settings, fetch).changes.values()) == {"unchanged"}


def test_a_project_that_locked_nothing_has_one_finding(project: Project) -> None:
    for name in ("a/b", "c/d", "e/f"):
        file = f"{name[0]}.yml"
        project.write(file, f"base_model: {name}\nadapter: lora\nlora_target_modules: [q]\n")
    (finding,) = project.check(locked=False)
    assert (finding.path, finding.code, finding.note) == ("a.yml", "HFKV002", False)
    assert "2 more models are named, and there is no lock" in finding.message
    project.write("hfkv.lock", '{"format": 1, "models": {}}')
    assert len(project.check(locked=False)) == 3
