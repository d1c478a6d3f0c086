"""Training configs of each trainer: told by their keys, counted as the trainer passes them on."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.check.budgets import read_budgets
from hfkv.check.document import Document
from hfkv.check.recognize import parts_of
from hfkv.check.run import check
from hfkv.check.settings import find_settings
from tests.check.conftest import QWEN, Project

LLAMA3 = "meta-llama/Llama-3.1-8B-Instruct"
TRL = f"model_name_or_path: {QWEN}\nuse_peft: true\n"
AXOLOTL = f"base_model: {QWEN}\nadapter: lora\nlora_r: 8\n"
FACTORY = f"model_name_or_path: {QWEN}\nstage: sft\ndo_train: true\nfinetuning_type: lora\n"
TUNE = f"""\
# tune download {LLAMA3} --output-dir /tmp/llama --ignore-patterns "original/*"
model:
  _component_: torchtune.models.llama3_1.lora_llama3_1_8b
  lora_attn_modules: ['q_proj', 'v_proj', 'output_proj']
  apply_lora_to_mlp: False
  lora_rank: 8
checkpointer:
  checkpoint_dir: /tmp/llama/
"""


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        (TRL + "lora_target_modules: [q_proj, v_proj]\n", [], ""),
        (TRL + "lora_target_modules: all-linear\n", [], ""),
        (TRL + "lora_target_modules: [all-linear]\n", [], ""),
        (TRL + "lora_target_modules:\n- q_proj\n- vproj\n", [(5, "HFKV102")], "v_proj"),
        (TRL + "lora_target_modules:\n  - c_attn\n  - c_fc\n", [(4, "HFKV101")], "has"),
        (TRL + "lora_target_modules: [q_proj]\n", [(3, "HFKV101")], "list of one"),
        (TRL + "lora_r: 5000\n", [(3, "HFKV103")], "lora_r: 5000 exceeds"),
        (TRL + "lora_r: 16\nlora_modules_to_save: [mhead]\n", [(4, "HFKV105")], "lm_head"),
        (TRL.replace("true", "false") + "lora_target_modules: [nothing]\n", [], ""),
        (TRL.replace("use_peft: true\n", "") + "lora_target_modules: [qq]\n", [(2, "HFKV101")], ""),
        (TRL.replace(QWEN, "${MODEL}") + "lora_r: 5\n", [], ""),
        (AXOLOTL + "lora_target_modules: [q_proj, up]\n", [(4, "HFKV102")], "up_proj"),
        (AXOLOTL + "lora_target_linear: true\n", [], ""),
        (AXOLOTL + "lora_target_linear: true\nlora_exclude_modules: [v_proj]\n", [], ""),
        (
            AXOLOTL + "lora_target_linear: true\nlora_target_modules: [wte]\n",
            [(5, "HFKV102")],
            "'wte' matches nothing",
        ),
        (AXOLOTL + "lora_target_modules: q_proj\n", [(4, "HFKV101")], "whole name"),
        (
            AXOLOTL + "lora_target_modules: [q_proj]\npeft_layers_to_transform:\n- 0\n- 36\n",
            [(7, "HFKV109")],
            "peft_layers_to_transform: there is no layer 36",
        ),
        (AXOLOTL.replace("lora\n", "\n", 1) + "lora_target_modules: [qq]\n", [], ""),
        (
            AXOLOTL + "lora_target_linear: true\nlora_modules_to_save: [embed, lm_head]\n",
            [(5, "HFKV105")],
            "lora_modules_to_save",
        ),
        (FACTORY + "lora_target: all\n", [], ""),
        (FACTORY + "lora_target: q_proj,k_proj , v_proj\nlora_rank: 8\n", [], ""),
        (FACTORY + "lora_target: q_proj,W_pack\n", [(5, "HFKV102")], "W_pack"),
        (FACTORY + "lora_target: q_proj\nadditional_target: lmhead\n", [(6, "HFKV105")], "lm_head"),
        (FACTORY.replace("type: lora", "type: full") + "lora_target: W_pack\n", [], ""),
        (FACTORY + "adapter_name_or_path: x\nlora_target: W_pack\n", [], ""),
        (TUNE, [], ""),
        (
            TUNE.replace(" --output-dir /tmp/llama", "").replace(
                ": /tmp/llama/", f": /tmp/{LLAMA3[11:]}"
            ),
            [],
            "",
        ),
        (TUNE.replace("'output_proj'", "'o_proj'"), [(4, "HFKV102")], "output_proj"),
        (TUNE.replace("rank: 8", "rank: 2000"), [(6, "HFKV103")], "lora_rank: 2000"),
        (TUNE.replace("# tune", "#"), [(8, "HFKV003")], "/tmp/llama"),
        (TUNE.replace(": /tmp/llama/", ": ${dir}"), [], ""),
        (
            TUNE.replace(LLAMA3, "microsoft/Phi-3-mini-4k-instruct"),
            [(4, "HFKV005")],
            "not counted",
        ),
        (
            f"model:\n  name: {QWEN}\npeft:\n  lora: &l\n    r: 8\n    target_modules: [qq]\n",
            [(6, "HFKV101")],
            "qq",
        ),
        ("lora:\n  r: 8\n  target_modules: [whatever]\n", [], ""),
        ("services:\n  lora_gateway: {image: x}\n", [], ""),
        (f"---\na: 1\n---\n{TRL}lora_r: 5000\n", [(6, "HFKV103")], ""),
        (
            f"base: &base\n  lora_target_modules: [qq]\n<<: *base\n{TRL}",
            [(2, "HFKV101")],
            "lora_target_modules",
        ),
    ],
)
def test_each_trainer(
    project: Project, text: str, expected: list[tuple[int, str]], words: str
) -> None:
    found = sorted(set(project.codes("train.yaml", text)))
    assert found[: len(expected)] == expected, project.report.findings
    assert all(code == expected[0][1] for _, code in found[len(expected) :])
    assert words in " ".join(item.message for item in project.report.findings)


#: Llama 3.1 8B, per unit of rank: sums of inputs and outputs over its 32 layers.
Q, KV, MLP = 32 * 8192, 32 * 5120, 32 * (4096 + 14336)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (TRL + "lora_target_modules: [q_proj, v_proj]\n", 16 * (Q + KV)),
        (TRL, 16 * (Q + KV)),  # TRL's rank, and PEFT's own targets of the type
        (TRL + "lora_r: 4\nlora_target_modules: all-linear\n", 4 * (2 * Q + 2 * KV + 3 * MLP)),
        (AXOLOTL + "lora_target_linear: true\n", 8 * (2 * Q + 2 * KV + 3 * MLP)),
        (AXOLOTL + "lora_target_modules: [k_proj]\n", 8 * KV),
        (AXOLOTL + "lora_target_modules: [k_proj]\npeft_use_dora: true\n", 8 * KV + 32 * 1024),
        (FACTORY + "lora_target: all\n", 8 * (2 * Q + 2 * KV + 3 * MLP)),
        (FACTORY + "lora_rank: 2\nlora_target: v_proj\n", 2 * KV),
        (TUNE, 8 * (2 * Q + KV)),
        (TUNE.replace("mlp: False", "mlp: True"), 8 * (2 * Q + KV + 3 * MLP)),
        (TUNE.replace("rank: 8", "rank: 8\n  apply_lora_to_output: true"),
         8 * (2 * Q + KV + 4096 + 128256)),
    ],
)  # fmt: skip
def test_the_parameters_are_those_of_the_trainer(
    project: Project, text: str, parameters: int
) -> None:
    project.write("train.yaml", text.replace(QWEN, LLAMA3))
    for limit, expected in ((parameters, []), (parameters - 1, ["HFKV201"])):
        project.write("hfkv.toml", f"[[budget]]\nadapter-parameters = {limit}\n")
        assert [item.code for item in project.check()] == expected


@pytest.mark.parametrize(
    "text",
    [
        FACTORY + "lora_target: q_proj\nuse_llama_pro: true\n",
        FACTORY + "lora_target: q_proj\nresize_vocab: true\n",
        AXOLOTL + "lora_target_modules: [q_proj]\nlora_model_dir: out\n",
        AXOLOTL.replace("lora_r: 8\n", "") + "lora_target_modules: [q_proj]\n",
    ],
)
def test_what_is_not_counted_is_held_against_no_budget(project: Project, text: str) -> None:
    project.write("hfkv.toml", "[[budget]]\nadapter-parameters = 1\n")
    assert project.codes("train.yaml", text) == []


def test_a_model_with_a_vision_tower_is_left_to_llama_factory(project: Project) -> None:
    text = FACTORY.replace(QWEN, "google/gemma-3-4b-it")
    project.write("hfkv.toml", "[[budget]]\nadapter-parameters = 1\n")
    assert project.codes("train.yaml", text + "lora_target: all\n") == []
    assert project.codes("train.yaml", text + "lora_target: q_proj\n") == []
    assert project.codes("train.yaml", text + "lora_target: qq\n") == [(5, "HFKV101")]


def test_the_places_of_aliases_and_flow_style(project: Project) -> None:
    text = f"x: &t\n  - q_proj\n  - qq\n{TRL}lora_target_modules: *t\n"
    assert project.codes("train.yaml", text) == [(3, "HFKV102")]


def test_json_training_configs_are_read_as_well(project: Project) -> None:
    value: dict[str, Any] = {
        "model_name_or_path": QWEN,
        "use_peft": True,
        "lora_target_modules": ["q_proj", "qq"],
    }
    assert project.codes("sft.json", value) == [(6, "HFKV102")]


def test_what_can_be_counted_is_what_budgets_see(project: Project) -> None:
    project.write("a.yaml", TRL + "lora_target_modules: [q_proj, qq]\n")
    project.write("hfkv.toml", '[[budget]]\nfiles = "b/*"\nadapter = "1B"\n')
    project.lock()
    settings = find_settings(project.root)
    assert read_budgets(settings)[0].files == ("b/*",)
    assert {item.code for item in check(settings).findings} == {"HFKV102"}
    document = Document(path="a.yaml", file=project.root / "a.yaml", text=TRL + "lora_r: 1\n")
    assert [part.kind for part in parts_of(document)] == ["adapter"]
