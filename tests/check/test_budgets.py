"""Budgets: held against exact figures, to the byte."""

from __future__ import annotations

import pytest

from hfkv.check.budgets import read_budgets
from hfkv.check.settings import find_settings
from hfkv.errors import InputError
from tests.check.conftest import LLAMA, QWEN, Project

#: 36 layers x 2 x 8 heads x 128 x 2 bytes, at 128Ki tokens in each of 4 sequences.
CACHE = 147_456 * 131_072 * 4
#: 80 x 32 x 161,792 parameters of rank 32 on Llama 3 70B, and its weights.
ADAPTER, WEIGHTS = 414_187_520 * 2, 141_107_412_992


def budget(model: str, *lines: str) -> str:
    return "\n".join(["[tool.x]", "[[tool.hfkv.budget]]", f'model = "{model}"', *lines, ""])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (budget(QWEN, 'tokens = "128Ki"', "batch = 4", f"kv-cache = {CACHE}"), ""),
        (
            budget(QWEN, 'tokens = "128Ki"', "batch = 4", f"kv-cache = {CACHE - 1}"),
            "the KV cache at 131,072 tokens x 4 is 77.31 GB",
        ),
        (budget(QWEN, 'tokens = "128Ki"', 'dtype = "fp8"', "batch = 8", f"kv-cache = {CACHE}"), ""),
        (budget(LLAMA, f"adapter = {ADAPTER}"), ""),
        (budget(LLAMA, f"adapter = {ADAPTER - 1}"), "828.4 MB (828,375,040 B)"),
        (budget(LLAMA, 'lora-dtype = "fp32"', f"adapter = {2 * ADAPTER - 1}"), "1.66 GB"),
        (
            budget(LLAMA, "rank = 16", 'target-modules = "q_proj,v_proj"', 'adapter = "65MB"'),
            "65.54",
        ),
        (budget(LLAMA, 'target-modules = ["q_proj"]', "adapter-parameters = 41943040"), ""),
        (budget(LLAMA, 'adapter-parameters = "400M"'), "414,187,520 parameters"),
        (budget(LLAMA, 'adapter = "0.5871%"'), ""),
        (budget(LLAMA, 'adapter = "0.587%"'), "0.587% of the weights (828,375,040 of 141,107"),
        (budget(LLAMA, "compression = 39.55"), ""),
        (budget(LLAMA, 'compression = "39.56x"'), "at least 39.56x"),
        (budget(LLAMA, 'tokens = "1M"', "compression = 395"), ""),
        (budget(LLAMA, 'kv-cache = "32GB"', "compression = 40"), "budget is 32GB"),
    ],
)
def test_to_the_byte(project: Project, text: str, words: str) -> None:
    project.write("pyproject.toml", text)
    found = project.check()
    assert {item.code for item in found} == ({"HFKV201"} if words else set())
    assert all((item.path, item.line) == ("pyproject.toml", 2) for item in found)
    assert words in " ".join(item.message for item in found)
    assert len(found) == (2 if "32GB" in text else bool(words))


def test_the_figures_above() -> None:
    assert 100 * ADAPTER <= 0.5871 * WEIGHTS
    assert 100 * ADAPTER > 0.587 * WEIGHTS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (budget(QWEN, 'engine = "abacus"', "kv-cache = 1"), "abacus"),
        (
            budget(QWEN, 'engine = "vllm"', "engine-options = { q = 1 }", "kv-cache = 1"),
            "no option q",
        ),
        (
            budget(QWEN, 'engine = "vllm"', "engine-options = { tp = true }", "kv-cache = 1"),
            "expected int",
        ),
        (budget(QWEN, 'dtype = "bf61"', "kv-cache = 1"), "bf61"),
        (budget(QWEN, "encoder-tokens = 3", "kv-cache = 1"), "no cross-attention"),
        (budget(QWEN, 'target-modules = "qq"', "adapter = 1"), "match"),
    ],
)
def test_what_cannot_be_computed_is_said(project: Project, text: str, words: str) -> None:
    project.write("pyproject.toml", text)
    (found,) = project.check()
    assert (found.line, found.code) == (2, "HFKV202")
    assert words in found.message


def test_a_model_that_is_not_locked(project: Project) -> None:
    project.write("pyproject.toml", budget(QWEN, "kv-cache = 1"))
    (found,) = project.check(locked=False)
    assert (found.line, found.code) == (2, "HFKV002")


def test_budgets_are_held_whatever_files_are_named(project: Project) -> None:
    project.write("pyproject.toml", budget(QWEN, "kv-cache = 1"))
    project.write("README.md", "nothing")
    assert [item.code for item in project.check("README.md")] == ["HFKV201"]


def test_a_budget_of_files_is_reported_in_them(project: Project) -> None:
    trl = f"model_name_or_path: {QWEN}\nuse_peft: true\n"
    project.write("big/a.yaml", f"{trl}lora_r: 64\n")
    project.write("small/a.yaml", f"{trl}lora_r: 64\n")
    project.write("hfkv.toml", '[[budget]]\nfiles = "big/**"\nadapter-parameters = 1000\n')
    assert project.found() == [("big/a.yaml", 3, "HFKV201")]
    project.write("hfkv.toml", "[[budget]]\nadapter-parameters = 1000\n")
    assert [path for path, _, _ in project.found()] == ["big/a.yaml", "small/a.yaml"]
    project.write("hfkv.toml", '[[budget]]\nfiles = ["big/*"]\nkv-cache = "1GB"\n')
    assert project.found() == [("big/a.yaml", 3, "HFKV201")]


def test_lines_of_several_budgets(project: Project) -> None:
    text = "\n".join(f'# {n}\n[[budget]]\nmodel = "{QWEN}"\nkv-cache = 1\n' for n in range(3))
    project.write("hfkv.toml", text + '[per-file-ignores]\n"x" = ["HFKV1"]\n')
    assert [line for _, line, _ in project.found()] == [2, 7, 12]
    project.write("hfkv.toml", f'\nbudget = [{{model = "{QWEN}", kv-cache = 1}}]')
    assert [line for _, line, _ in project.found()] == [2]


@pytest.mark.parametrize(
    "line",
    [
        "tokens = 3",
        'kv-cache = "24 apples"',
        "kv-cache = true",
        "kv-cache = -1",
        'adapter = "1%%"',
        "tokens = 0\nkv-cache = 1",
        'tokens = "many"\nkv-cache = 1',
        "batch = 1.5\nkv-cache = 1",
        "compression = true",
        'compression = "big"',
        "compression = nan",
        'compression = "-1"',
        "nope = 1\nkv-cache = 1",
        'files = "x"\nkv-cache = 1',
        "model = 3\nkv-cache = 1",
        "files = []\nkv-cache = 1",
    ],
)
def test_a_budget_that_cannot_be_read_names_itself(project: Project, line: str) -> None:
    model = "" if line.startswith(("model", "files = []")) else f'model = "{QWEN}"\n'
    project.write("hfkv.toml", f"[[budget]]\n{model}{line}\n")
    with pytest.raises(InputError, match=r"hfkv.toml: budget 1"):
        read_budgets(find_settings(project.root))


def test_keys_of_a_model_need_a_model(project: Project) -> None:
    project.write("hfkv.toml", "[[budget]]\nrank = 3\nadapter = 1\n")
    with pytest.raises(InputError, match="rank is for a budget of a model"):
        read_budgets(find_settings(project.root))


def test_a_budget_of_an_engine(project: Project) -> None:
    """Half of the cache on each of two GPUs."""
    own = budget(
        QWEN,
        "tokens = 16000",
        'engine = "vllm"',
        "engine-options = { tp = 2, block-size = 16 }",
        'kv-cache = "1 GB"',
    )
    project.write("pyproject.toml", own)
    (found,) = project.check()
    assert found.code == "HFKV201"
    # 36 layers of 4 heads of 2 x 128 elements of 2 bytes.
    assert f"{16000 * 36 * 4 * 256 * 2:,} B" in found.message
