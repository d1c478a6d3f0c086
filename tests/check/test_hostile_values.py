"""Values of a kind that no trainer takes, at each place of each format: findings, never an end."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.check.conftest import Project
from tests.check.test_formats import FORMATS

VALUES: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1.5,
    "",
    " ",
    "q_proj,,[",
    "\ud800",
    [],
    [[]],
    [["q_proj", "to_q"], {"to_k": 1}],
    [None, 1, "q_proj"],
    {},
    {"q_proj": ["to_q"]},
    {"a": {"b": [{}]}},
]


def _changed(value: Any) -> Iterator[Any]:
    """The value with one place in it replaced, for every place and every hostile value."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            for other in _changed(value[key]):
                found = copy.copy(value)
                found[key] = other
                yield found
    yield from VALUES


def _source(tree: ast.Module) -> Iterator[str]:
    """The program with one expression in it replaced."""
    places = [node for node in ast.walk(tree) if isinstance(node, (ast.Constant, ast.List))]
    for number in range(len(places)):
        for value in VALUES:
            other = copy.deepcopy(tree)
            found = [node for node in ast.walk(other) if isinstance(node, (ast.Constant, ast.List))]
            new = ast.parse(ascii(value), mode="eval").body
            yield ast.unparse(_Replace(found[number], new).visit(other))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _written(path: str, text: str) -> Iterator[str]:
    if path.endswith(".py"):
        yield from _source(ast.parse(text))
    elif path.endswith((".yml", ".yaml")):
        import yaml

        for value in _changed(yaml.safe_load(text)):
            yield json.dumps(value)  # YAML that has every kind of value


@pytest.mark.parametrize(
    "name", [name for name, (path, _, _) in FORMATS.items() if path.endswith(("y", "ml"))]
)
def test_a_value_of_another_kind_ends_nothing(project: Project, name: str) -> None:
    path, text, _ = FORMATS[name]
    project.write(path, text.replace("V_PROJ", "v_proj"))
    project.lock()
    stem, _, suffix = path.partition(".")
    made = 0
    for made, changed in enumerate(_written(path, text), 1):
        project.write(f"{stem}{made}.{suffix}", changed)
    project.check(locked=False)
    assert project.report.files > made > len(VALUES) or path.endswith("toml")


@pytest.mark.parametrize("value", VALUES, ids=ascii)
@pytest.mark.parametrize(
    "key",
    """peft_type r lora_alpha target_modules base_model_name_or_path modules_to_save bias
    layers_to_transform layers_pattern rank_pattern alpha_pattern exclude_modules task_type
    target_parameters trainable_token_indices use_dora init_lora_weights revision""".split(),
)
def test_so_in_an_adapter_config(project: Project, key: str, value: Any) -> None:
    good = {"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen3-8B", "r": 8}
    project.write("good/adapter_config.json", {**good, "target_modules": ["q_proj"]})
    project.lock()
    project.write("a/adapter_config.json", {**good, "target_modules": ["q_proj"], key: value})
    project.check(locked=False)
