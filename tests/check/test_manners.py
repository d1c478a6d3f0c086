"""What is expected of any linter: places, explanations, baselines, suppressions, exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.codes import CODES, EXPLAINED
from hfkv.check.locking import outdated_models
from hfkv.check.run import check
from hfkv.check.settings import find_settings
from hfkv.model import Model, load
from tests.check.conftest import QWEN, Project, from_snapshots
from tests.hub.server import Hub

Run = Callable[..., tuple[int, str, str]]
BAD = f"base_model: {QWEN}\nadapter: lora\nlora_r: 8\nlora_target_modules: [q_proj, v_porj]\n"
NOTE = '{"peft_type": "LORA", "base_model_name_or_path": null, "target_modules": ["x"], "r": 8}'


@pytest.fixture
def bad(project: Project) -> Project:
    """A project with one finding."""
    project.write("a.yml", BAD)
    project.lock()
    return project


def test_the_line_is_shown_with_a_caret(bad: Project, hfkv: Run) -> None:
    _, out, _ = hfkv("check")
    first, line, caret = out.splitlines()
    assert first.startswith("a.yml:4:31: HFKV102 ")
    assert line == "4 | lora_target_modules: [q_proj, v_porj]"
    assert caret.index("^") == line.index("v_porj")
    assert caret.count("^") == len("v_porj")


@pytest.mark.parametrize("text", ["\t", "\u202e\x1b[31m", "é" * 3, "x" * 300])
def test_the_caret_is_under_what_is_meant_whatever_stands_before(
    project: Project, hfkv: Run, text: str
) -> None:
    value = f'{{"peft_type": "LORA", "base_model_name_or_path": "{QWEN}", "x": {json.dumps(text)}, '
    value = value.replace(json.dumps(text), f'"{text}"') + '"target_modules": ["v_porj"], "r": 8}'
    project.write("a.json", value.replace("\x1b", "").replace("\t", " "))
    project.lock()
    _, out, _ = hfkv("check", "--select", "HFKV101")
    _, line, caret = out.splitlines()
    start = caret.index("^")
    assert line[start : start + caret.count("^")] == '"v_porj"'
    assert "\u202e" not in out


def test_every_code_is_explained(hfkv: Run) -> None:
    assert EXPLAINED.keys() == CODES.keys()
    code, out, _ = hfkv("check", "--explain", "hfkv102")
    assert code == 0
    assert out.startswith(f"HFKV102: {CODES['HFKV102']}\n\n")
    assert hfkv("check", "--explain", "HFKV999")[0] == 2


def test_notes_fail_only_where_that_is_asked_for(project: Project, hfkv: Run) -> None:
    project.write("a.json", NOTE)
    code, out, err = hfkv("check")
    assert (code, "HFKV110 note: " in out) == (0, True)
    assert err == (
        "no findings in 1 file: 1 config checked, 1 of them without a base model to check against,"
        " 1 note\n"
    )
    assert hfkv("check", "--strict")[0] == 1
    assert hfkv("check", "-q") == (0, "", "")
    assert "notice file=a.json" in hfkv("check", "--format", "github")[1]
    assert '"level": "note"' in hfkv("check", "--format", "sarif")[1]
    project.write("hfkv.toml", "strict = true\n")
    assert hfkv("check")[0] == 1


def test_exit_zero(bad: Project, hfkv: Run) -> None:
    assert hfkv("check")[0] == 1
    code, out, _ = hfkv("check", "--exit-zero")
    assert (code, "HFKV102" in out) == (0, True)


def test_what_was_there_before_may_pass_and_no_more(bad: Project, hfkv: Run) -> None:
    assert hfkv("check", "--update-baseline")[0] == 2
    assert hfkv("check", "--baseline", "b.json")[0] == 2
    assert hfkv("check", "--baseline", "b.json", "--update-baseline")[0] == 0
    code, out, err = hfkv("check", "--baseline", "b.json")
    assert (code, out) == (0, "")
    assert "1 let pass by the baseline" in err
    bad.write("a.yml", "# moved\n" + BAD)
    assert hfkv("check", "--baseline", "b.json")[0] == 0
    bad.write("hfkv.toml", 'baseline = "b.json"\n')
    assert hfkv("check")[0] == 0
    bad.write("b.yml", BAD)
    code, out, _ = hfkv("check")
    assert (code, out.startswith("b.yml:4:31: HFKV102 ")) == (1, True)
    bad.write("b.json", "{}")
    assert hfkv("check")[0] == 2


def test_a_diff_shows_what_mending_would_change(project: Project, hfkv: Run) -> None:
    text = f"a\n<!-- hfkv: kv {QWEN} --tokens 1 -->1 kB<!-- /hfkv -->\nb\n"
    file = project.write("README.md", text)
    project.lock()
    code, out, _ = hfkv("check", "--diff")
    assert code == 1
    assert "\n-<!-- hfkv" in out
    assert "\n+<!-- hfkv: kv Qwen/Qwen3-8B --tokens 1 -->147 kB" in out
    assert file.read_text() == text
    assert hfkv("check", "--diff", "--fix")[0] == 2
    assert hfkv("check", "--fix")[0] == 1
    assert hfkv("check", "--diff")[:2] == (0, "")


def test_what_was_read_is_listed(bad: Project, hfkv: Run) -> None:
    bad.write("b.py", "lora_rank = 3\n")
    _, out, err = hfkv("check", "--show-files")
    assert out.startswith(f"a.yml: axolotl, {QWEN}\nb.py: LoRA keys not recognised\n")
    assert err.endswith("1 config checked, 1 file with LoRA keys not recognised\n")
    value = json.loads(hfkv("check", "--format", "json")[1])
    assert value["read"] == {"configs": 1, "claims": 0, "unrecognised": 1}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.yml", BAD.replace("\n", "  # hfkv: ignore[HFKV102]\n").replace("8  #", "8 \n#", 1)),
        ("a.sh", f"x.py --base_model {QWEN} --lora_r 8 \\\n"
         "  --lora_target_modules v_porj q_proj # hfkv: ignore"),
        ("a.toml", f'base_model = "{QWEN}"\n[lora]\nr = 8\n'
         'target_modules = ["v_porj", "k_proj"] # hfkv: ignore'),
        ("a.py", f"x = ALM.from_pretrained('{QWEN}')\n"
         "c = LoraConfig(target_modules=['v_porj'])  # hfkv: ignore"),
        ("a.jsonc", f'{{"base_model": "{QWEN}", "adapter": "lora", "lora_r": 8,\n'
         '"lora_target_modules": ["v_porj"]} // hfkv: ignore[HFKV1]\n'),
    ],
)  # fmt: skip
def test_every_format_can_let_one_finding_pass(project: Project, path: str, text: str) -> None:
    found = project.codes(path, text)
    assert [code for _, code in found if not code.startswith("HFKV008")] == []
    bare = text.replace("hfkv: ignore", "")
    assert [code[:6] for _, code in project.codes(path, bare)] == ["HFKV10"]


def test_json_lets_one_value_pass_by_its_pointer(project: Project) -> None:
    value = {"peft_type": "LORA", "base_model_name_or_path": QWEN, "r": 8}
    project.write("a/b.json", {**value, "target_modules": ["q_proj", "v_porj", "k_porj"]})
    places = [item.pointer for item in project.check()]
    assert places == ["/target_modules/1", "/target_modules/2"]
    project.write("hfkv.toml", '[per-file-ignores]\n"a/b.json#/target_modules/1" = ["HFKV102"]\n')
    assert [item.pointer for item in project.check()] == ["/target_modules/2"]
    project.write("hfkv.toml", '[per-file-ignores]\n"*.json#/target_modules" = ["HFKV102"]\n')
    assert project.check() == []


def test_a_comment_that_lets_nothing_pass_is_found(project: Project, hfkv: Run) -> None:
    good = BAD.replace("v_porj", "v_proj")
    assert project.codes("a.yml", good.replace("8\n", "8 # hfkv: ignore\n")) == [(3, "HFKV008")]
    assert project.codes("a.yml", BAD.rstrip() + " # hfkv: ignore[HFKV102]\n") == []
    # Where only some codes are looked at, nothing is known of the others.
    project.write("a.yml", good.replace("8\n", "8 # hfkv: ignore\n"))
    assert hfkv("check", "--select", "HFKV1")[0] == 0
    assert hfkv("check", "--ignore", "HFKV008")[0] == 0


def test_what_the_lock_check_finds_can_pass(project: Project, hfkv: Run) -> None:
    project.write("a.yml", BAD)
    assert "HFKV006" in hfkv("lock", "--check")[1]
    project.write("a.yml", BAD.replace("adapter", "  # hfkv: ignore[HFKV006]\nadapter"))
    assert hfkv("lock", "--check")[0] == 1
    project.write("a.yml", BAD.replace(QWEN, f"{QWEN} # hfkv: ignore[HFKV006]"))
    assert hfkv("lock", "--check")[:2] == (0, "")


def test_a_model_that_is_not_locked_is_said_once(project: Project) -> None:
    for name in "abc":
        project.write(f"{name}.yml", BAD)
    (finding,) = [item for item in project.check(locked=False) if item.code == "HFKV002"]
    assert finding.path == "a.yml"
    assert "2 more files name it" in finding.message


def test_the_page_of_a_run_on_github_has_a_table(
    bad: Project, hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    hfkv("check", "--format", "github")
    text = page.read_text()
    assert text.startswith("before\n### hfkv check\n\n1 finding in 1 file")
    assert "| a.yml:4 | HFKV102 |" in text


def test_a_long_scan_says_where_it_is(bad: Project) -> None:
    told: list[tuple[int, str]] = []
    check(find_settings(bad.root), watch=lambda number, path: told.append((number, path)))
    assert told == [(0, "a.yml")]


@pytest.mark.posix
def test_the_lock_is_a_regular_file(project: Project) -> None:
    project.write("a.yml", BAD)
    for make in (
        lambda path: os.mkfifo(path),
        lambda path: os.symlink("/dev/zero", path),
        lambda path: path.mkdir(),
    ):
        make(project.root / "hfkv.lock")
        found = project.check(locked=False)
        assert [item.code for item in found if item.path == "hfkv.lock"] == ["HFKV004"]
        if (project.root / "hfkv.lock").is_dir():
            break
        (project.root / "hfkv.lock").unlink()


def test_models_that_moved_on_are_told(
    project: Project, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    name, repo = next(iter(hub.repos.items()))
    project.write("hfkv.toml", f'models = ["{name}"]\n')

    def fetch(model: str, revision: str | None) -> Model:
        return load(model, revision=revision, source="hub", token="hf_test")

    from hfkv.check.locking import lock

    done = lock(find_settings(project.root), fetch)
    assert not done.failed, done.changes
    assert outdated_models(find_settings(project.root), fetch) == {}
    assert repo is hub.repos[name]
    text = (project.root / "hfkv.lock").read_text()
    record: dict[str, Any] = json.loads(text)["models"][name]
    assert record["commit"]
    # A snapshot has no commit, which is not the same as being up to date.
    lock(find_settings(project.root), from_snapshots, everything=True)
    (moved,) = outdated_models(find_settings(project.root), fetch).values()
    assert "locked without a commit" in moved
