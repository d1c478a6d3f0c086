"""A run as a whole: which files, what is ignored, what is malformed, exit codes and formats."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.codes import CODES
from hfkv.check.text.json_places import json_places
from hfkv.check.walk import fits
from hfkv.errors import InputError
from tests.check.conftest import LLAMA, QWEN, Project

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
BAD: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": QWEN,
    "r": 5000,
    "target_modules": ["q_proj"],
}
CLAIM = f"<!-- hfkv: kv {LLAMA} --tokens 100k -->31 GB<!-- /hfkv -->"


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a/b/c.md", "*.md", True),
        ("a/b/c.md", "a/*.md", False),
        ("a/b/c.md", "a/**/*.md", True),
        ("a/c.md", "a/**/*.md", True),
        ("a/b/c.md", "a", True),
        ("a/b/c.md", "b/", True),
        ("ab/c.md", "a", False),
        ("a/c.md", "./a/?.md", True),
        ("a[1].md", "a[1].md", True),
    ],
)
def test_globs(path: str, glob: str, expected: bool) -> None:
    assert fits(path, [glob]) is expected


def test_a_run_without_names_looks_at_what_git_would_track(project: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    project.write(".gitignore", "out/\n")
    project.write("out/adapter_config.json", BAD)
    project.write("in/adapter_config.json", BAD)
    project.write(".hidden/adapter_config.json", BAD)
    assert [path for path, _, _ in project.found()] == [
        ".hidden/adapter_config.json",
        "in/adapter_config.json",
    ]
    assert [path for path, _, _ in project.found("out")] == []
    assert [path for path, _, _ in project.found("out/adapter_config.json")] == [
        "out/adapter_config.json"
    ]


def test_without_git_hidden_folders_and_environments_are_left_out(project: Project) -> None:
    for folder in ("a", ".cache", "node_modules/x", ".venv/lib"):
        project.write(f"{folder}/adapter_config.json", BAD)
    assert [path for path, _, _ in project.found()] == ["a/adapter_config.json"]


def test_include_and_exclude(project: Project) -> None:
    project.write("hfkv.toml", 'include = ["configs"]\nexclude = ["configs/old/**"]\n')
    for folder in ("configs", "configs/old", "other"):
        project.write(f"{folder}/adapter_config.json", BAD)
    assert [path for path, _, _ in project.found()] == ["configs/adapter_config.json"]
    assert [path for path, _, _ in project.found("other/adapter_config.json")] == [
        "other/adapter_config.json"
    ]
    # A hook names every file that was changed: what is excluded stays excluded.
    assert project.found("configs/old/adapter_config.json") == []


def test_naming_the_lock_or_the_configuration_checks_all(project: Project) -> None:
    project.write("hfkv.toml", "")
    project.write("adapter_config.json", BAD)
    project.write("README.md", "# nothing")
    project.lock()
    assert project.found("README.md") == []
    assert len(project.found("README.md", "hfkv.lock")) == 1
    assert len(project.found("hfkv.toml")) == 1


def test_the_nearest_configuration_counts_and_paths_are_seen_from_here(
    project: Project, hfkv: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("pyproject.toml", '[tool.other]\na = 1\n[tool.hfkv]\nignore = ["HFKV105"]\n')
    project.write("sub/adapter_config.json", {**BAD, "modules_to_save": ["x"]})
    project.lock()
    monkeypatch.chdir(project.root / "sub")
    code, out, _ = hfkv("check")
    assert code == 1
    assert out.startswith("adapter_config.json:4:7: HFKV103 ")
    assert "HFKV105" not in out


# -- malformed files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("adapter_config.json", b"{", [(1, "HFKV001")]),
        ("adapter_config.json", b'{"r": 8,\n "x" 1}', [(2, "HFKV001")]),
        ("adapter_config.json", b"[1]", []),
        ("adapter_config.json", b'{"r": 8}', []),
        ("adapter_config.json", b"", [(1, "HFKV001")]),
        ("adapter_config.json", b'{"r":\n "\xff"}', []),
        ("adapter_config.json", b"[" * 100_000, [(1, "HFKV001")]),
        ("adapter_config.json", b" " * 5_000_000, [(1, "HFKV001")]),
        ("adapter_config.json", b"{" + b'"a":{' * 200 + b"}" * 201, [(1, "HFKV001")]),
        ("config.json", b"\x00\x01\x02", []),
        ("other.json", b'{"peft_type": ', [(1, "HFKV001")]),
        ("other.json", b"\xff\xfe", []),
        ("huge.json", b'{"a": "' + b"x" * 5_000_000 + b'"}', []),
        ("a.yaml", b"lora_r: [", [(1, "HFKV001")]),
        ("a.yaml", b"x: 1\nlora_r: &a [*a]\n", [(2, "HFKV001")]),
        ("a.yaml", b"lora_r: " + b"[" * 100_000, [(1, "HFKV001")]),
        ("a.yaml", b"chart: {{ .Values.lora }}\n  - [", []),
        ("a.yaml", b"lora_r: !ref {a: 1}\nb: !!python/object:os.x {}\n", []),
        ("a.yaml", b"\xff\xfelora_r: 1", []),
        ("a.md", b"caf\xe9 <!-- hfkv: kv M -->1 GB<!-- /hfkv -->", [(1, "HFKV003")]),
        ("a.md", b"caf\xe9", []),
        ("a.md", b"\n" * 5_000_000 + CLAIM.encode(), [(1, "HFKV001")]),
        ("a.md", b"\n" * 5_000_000, []),
        ("a.md", b"<!-- hfkv:" * 300_000, [(1, "HFKV302")]),
        ("a.md", b"`" * 1_000_000 + CLAIM.encode(), []),  # a fence, to the end
        ("a.md", b"a" + b" `" * 99_999 + b"\n\n" + CLAIM.encode(), [(3, "HFKV301")]),
    ],
)
def test_malformed_files_are_one_finding_or_none(
    project: Project, path: str, content: bytes, expected: list[tuple[int, str]]
) -> None:
    start = time.perf_counter()
    found = project.codes(path, content)
    assert found == expected
    assert time.perf_counter() - start < 20


def test_bombs_of_aliases_and_merges_are_harmless(project: Project) -> None:
    aliases = "a0: &a0 [lora_r, x]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 9)}]\n" for n in range(30)
    )
    merges = "a0: &a0 {lora_r: 1}\n" + "".join(
        f"a{n + 1}: &a{n + 1} {{<<: [{','.join([f'*a{n}'] * 9)}], k{n}: 1}}\n" for n in range(30)
    )
    tail = f"model_name_or_path: {QWEN}\nuse_peft: true\nlora_r: 5000\n"
    assert project.codes("a.yaml", aliases + tail) == [(34, "HFKV103")]
    assert project.codes("a.yaml", merges + tail) == [(34, "HFKV103")]


@pytest.mark.posix
def test_links_that_lead_nowhere_and_files_that_are_none(project: Project) -> None:
    (project.root / "adapter_config.json").symlink_to("gone.json")
    (project.root / "loop").symlink_to(".")
    os.mkfifo(project.root / "config.json")
    assert {item[2] for item in project.found("adapter_config.json", "config.json")} == {"HFKV001"}
    project.check()
    with pytest.raises(InputError, match="no such file"):
        project.check("gone.json")


def test_lines_of_json_values() -> None:
    text = '{\n"a": {"b": [1,\n2, {"c": "x\\n,:{}[]"}]},\n"d":\n3, "a\\"b": 4,\n"d": 5}'
    places = json_places(text)
    assert places[("a",)].line == places[("a", "b")].line == places[("a", "b", 0)].line == 2
    assert places[("a", "b", 1)] == (3, 1, 1)
    assert places[("a", "b", 2, "c")].line == 3
    assert places[('a"b',)].line == 5
    assert places[("d",)] == (6, 6, 1)


def test_lines_do_not_depend_on_other_line_ends(project: Project) -> None:
    text = json.dumps(BAD, indent=1)
    assert project.codes("a.json", text.replace("\n", "\r\n")) == [(4, "HFKV103")]
    claim = f"x\x0c\u2028\x85\r\n{CLAIM}\r\n"
    project.write("a.json", "{}")
    assert project.codes("a.md", claim) == [(2, "HFKV301")]


# -- ignoring ------------------------------------------------------------------------------------

TRL = f"model_name_or_path: {QWEN}\nuse_peft: true\nlora_r: 5000"


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ("", TRL, ["HFKV103"]),
        ("", TRL + "  # hfkv: ignore", []),
        ("", TRL + "  # hfkv: ignore[HFKV103]", []),
        ("", TRL + "  # hfkv: ignore[HFKV2, hfkv1]", []),
        ("", TRL + "  # hfkv: ignore[HFKV102]", ["HFKV008", "HFKV103"]),
        ("", TRL + "\n# hfkv: ignore", ["HFKV103", "HFKV008"]),
        ("", TRL + "\n# hfkv: ignore-file[HFKV103]", []),
        ("", "# hfkv: ignore-file\n" + TRL, []),
        ('ignore = ["HFKV1"]', TRL, []),
        ('select = ["HFKV3"]', TRL, []),
        ('select = ["HFKV1"]\nignore = ["HFKV102"]', TRL, ["HFKV103"]),
        ('[per-file-ignores]\n"*.yaml" = ["HFKV103"]', TRL, []),
        ('[per-file-ignores]\n"b.yaml" = ["HFKV103"]', TRL, ["HFKV103"]),
        ('exclude = ["*.yaml"]', TRL, []),
    ],
)
def test_ignoring(project: Project, settings: str, text: str, expected: list[str]) -> None:
    project.write("hfkv.toml", settings)
    assert [code for _, code in project.codes("a.yaml", text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "select = 3",
        'select = ["XYZ"]',
        'ignored = ["HFKV1"]',
        "bases = []",
        'lock = "../x"',
        'lock = "/x"',
        'lock = ""',
        "per-file-ignores = {a = 1}",
        "budget = 3",
        "x = [",
        "\x00",
    ],
)
def test_a_configuration_that_cannot_be_read_is_exit_2(
    project: Project, hfkv: Run, text: str
) -> None:
    project.write("hfkv.toml", text)
    code, out, err = hfkv("check")
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert "hfkv.toml" in err
    assert err.count("\n") == 1


# -- the command ---------------------------------------------------------------------------------


def test_exit_codes(project: Project, hfkv: Run) -> None:
    project.write("README.md", CLAIM)
    project.lock()
    assert hfkv("check")[0] == 1
    assert hfkv("check", "--select", "HFKV1")[0] == 0
    assert hfkv("check", "--ignore", "HFKV3")[0] == 0
    assert hfkv("check", "--select", "NOPE")[0] == 2
    assert hfkv("check", "gone.md")[0] == 2
    assert hfkv("check", "--config", "gone.toml")[0] == 2
    code, out, err = hfkv("check", "--fix")
    assert (code, " (fixed)\n" in out) == (1, True)
    assert err == "1 finding in 1 file, 1 fixed: 1 document with claims\n"
    assert hfkv("check", "-q") == (0, "", "")


def _findings(project: Project, hfkv: Run, form: str) -> str:
    project.write("a, b%.md", CLAIM.replace("31 GB", "31\nGB %"))
    project.lock()
    code, out, _ = hfkv("check", "--format", form)
    assert code == 1
    return out


def test_format_json(project: Project, hfkv: Run) -> None:
    value = json.loads(_findings(project, hfkv, "json"))
    (finding,) = value["findings"]
    assert value["files"] == 1
    assert set(finding) == {
        *("file", "line", "column", "code", "message", "note", "fixed", "pointer")
    }
    assert (finding["file"], finding["line"], finding["code"]) == ("a, b%.md", 1, "HFKV301")


def test_format_github(project: Project, hfkv: Run) -> None:
    out = _findings(project, hfkv, "github")
    assert out.startswith(
        "::error file=a%2C b%25.md,line=1,col=60,title=HFKV301::HFKV301 says 31\\nGB %25"
    )
    assert out.count("\n") == 1


def test_format_sarif_has_what_2_1_0_requires(project: Project, hfkv: Run) -> None:
    log = json.loads(_findings(project, hfkv, "sarif"))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "hfkv"
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["shortDescription"]["text"] for rule in rules)
    (result,) = run["results"]
    assert result["level"] in ("none", "note", "warning", "error")
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "HFKV301"
    assert isinstance(result["message"]["text"], str)
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%2C%20b%25.md"
    assert place["region"]["startLine"] == 1
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")


def test_a_clean_run_is_still_a_sarif_log(project: Project, hfkv: Run) -> None:
    code, out, _ = hfkv("check", "--format", "sarif")
    assert code == 0
    assert json.loads(out)["runs"][0]["results"] == []


def test_every_code_is_documented_with_its_meaning() -> None:
    text = (ROOT / ".github" / "CHECK.md").read_text("utf-8")
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in text
    assert text.count("| `HFKV") == len(CODES)


def test_what_findings_say_cannot_steer_a_terminal(project: Project, hfkv: Run) -> None:
    project.write("a.json", {**BAD, "target_modules": ["q\x1b[31m\u202e", "q_proj"], "r": 8})
    project.lock()
    code, out, _ = hfkv("check")
    assert code == 1
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize("form", ["human", "json", "github", "sarif"])
def test_a_file_name_that_is_no_text(project: Project, hfkv: Run, form: str) -> None:
    name = os.fsdecode(b"caf\xe9\n.md")
    try:
        project.write(name, CLAIM)
    except OSError:
        pytest.skip("this file system takes no such name")
    project.lock()
    code, out, _ = hfkv("check", "--format", form)
    assert code == 1
    assert "HFKV301" in out
    assert "Traceback" not in out


def test_a_default_that_is_not_written_is_reported_where_the_model_is(project: Project) -> None:
    # PEFT has no targets of its own for this type.
    text = "use_peft: true\nmodel_name_or_path: openai/gpt-oss-20b\nlora_r: 8\n"
    assert project.codes("a.yaml", f"# a comment\n{text}") == [(3, "HFKV108")]
