"""Every format that is read: shapes as people write them, with nothing wrong, and with one name
misspelt, which must be found at its place. And what looks alike and is not ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hfkv.check.text.placeholder import fill_holes, is_placeholder
from tests.check.conftest import QWEN, Project

#: Name of a file, its text with a name to misspell in capitals, and the line of that name.
FORMATS: dict[str, tuple[str, str, int]] = {
    "axolotl": (
        "a.yml",
        f"base_model: {QWEN}\nadapter: qlora\nlora_r: 8\nlora_target_modules:\n  - q_proj\n"
        "  - V_PROJ\n",
        6,
    ),
    "axolotl in a list of runs": (
        "a.yaml",
        f"runs:\n- base_model: {QWEN}\n  adapter: lora\n  lora_r: 8\n"
        "  lora_target_modules: [q_proj, V_PROJ]\n",
        5,
    ),
    "a JSON array of runs": (
        "a.json",
        f'[\n {{"base_model": "{QWEN}", "adapter": "lora", "lora_r": 8,\n'
        '  "lora_target_modules": ["q_proj", "V_PROJ"]}\n]',
        3,
    ),
    "JSON with comments": (
        "a.json",
        f'{{\n // a run\n "model_name_or_path": "{QWEN}", /* base */\n "finetuning_type": "lora",\n'
        ' "do_train": true,\n "lora_target": "q_proj,V_PROJ",\n}',
        6,
    ),
    "LLaMA-Factory 1": (
        "a.yaml",
        f"model: {QWEN}\nmodel_class: llm\npeft_config:\n  name: lora\n  r: 8\n"
        "  target_modules: [q_proj, V_PROJ]\n",
        6,
    ),
    "ms-swift": (
        "a.yaml",
        f"model: {QWEN}\ntuner_type: lora\nlora_rank: 8\ntarget_modules: [q_proj, V_PROJ]\n"
        "model_name: a-bot\n",
        4,
    ),
    "ms-swift by its old keys": (
        "a.yaml",
        f"model_id_or_path: {QWEN}\nsft_type: lora\nlora_target_modules:\n- q_proj\n- V_PROJ\n",
        5,
    ),
    "mlx-lm": (
        "a.yaml",
        f'model: "{QWEN}"\ntrain: true\nfine_tune_type: lora\nnum_layers: 16\nlora_parameters:\n'
        '  keys: ["self_attn.q_proj", "self_attn.V_PROJ"]\n  rank: 8\n  scale: 20.0\n',
        6,
    ),
    "NeMo Automodel": (
        "a.yaml",
        f"model:\n  pretrained_model_name_or_path: {QWEN}\npeft:\n"
        "  _target_: nemo_automodel.components._peft.lora.PeftConfig\n"
        "  target_modules: ['*q_proj', '*V_PROJ']\n  dim: 8\n  alpha: 32\n"
        "  exclude_modules: ['*vision_tower*']\n",
        5,
    ),
    "NeMo-RL": (
        "a.yaml",
        f"policy:\n  model_name: {QWEN}\n  dtensor_cfg:\n    lora_cfg:\n      enabled: true\n"
        "      target_modules: [q_proj, V_PROJ]\n      dim: 8\n      alpha: 32\n",
        6,
    ),
    "NeMo of Megatron": (
        "a.yaml",
        "model:\n  restore_from_path: x.nemo\n  peft:\n    peft_scheme: lora\n    lora_tuning:\n"
        "      target_modules: [attention_qkv, ATTENTION_DENSE]\n      adapter_dim: 32\n",
        6,
    ),
    "verl": (
        "a.yaml",
        f"actor_rollout_ref:\n  model:\n    path: {QWEN}\n    lora_rank: 8\n"
        "    target_modules: [q_proj, V_PROJ]\n",
        5,
    ),
    "oumi": (
        "a.yaml",
        f"model:\n  model_name: {QWEN}\ntraining:\n  use_peft: true\npeft:\n  lora_r: 8\n"
        "  lora_target_modules:\n  - q_proj\n  - V_PROJ\n",
        9,
    ),
    "autotrain": (
        "a.yml",
        f"task: llm-sft\nbase_model: {QWEN}\nparams:\n  peft: true\n  lora_r: 8\n"
        "  target_modules: q_proj,V_PROJ\n",
        6,
    ),
    "H2O LLM Studio": (
        "a.yaml",
        f"llm_backbone: {QWEN}\ntraining:\n  lora: true\n  lora_r: 4\n"
        "  lora_target_modules: q_proj, V_PROJ\n",
        5,
    ),
    "Ludwig": (
        "a.yaml",
        f"model_type: llm\nbase_model: {QWEN}\nadapter:\n  type: lora\n  r: 8\n"
        "  target_modules: [q_proj, V_PROJ]\n",
        6,
    ),
    "a LoraConfig in TOML": (
        "a.toml",
        f'[model]\nname = "{QWEN}"\n[lora]\nr = 8\nlora_alpha = 16\n'
        'target_modules = ["q_proj", "V_PROJ"]\n',
        6,
    ),
    "flags of TRL": (
        "a.sh",
        f"MODEL={QWEN}\naccelerate launch sft.py \\\n  --model_name_or_path $MODEL \\\n"
        "  --use_peft --lora_r 8 \\\n  --lora_target_modules q_proj V_PROJ\n",
        5,
    ),
    "flags of LLaMA-Factory": (
        "a.sh",
        "ARGS=(\n  --finetuning_type lora\n  --lora_target q_proj,V_PROJ\n)\n"
        f'llamafactory-cli train --do_train --model_name_or_path {QWEN} "${{ARGS[@]}}"\n',
        3,
    ),
    "flags of ms-swift": (
        "a.sh",
        f"swift sft --model {QWEN} --train_type lora \\\n  --target_modules q_proj V_PROJ\n",
        2,
    ),
    "flags of OpenRLHF": (
        "a.sh",
        f"deepspeed --module openrlhf.cli.train_sft --pretrain {QWEN} --lora_rank 8 \\\n"
        "   --target_modules q_proj V_PROJ\n",
        2,
    ),
    "overrides of verl": (
        "a.sh",
        f"M=${{1:-{QWEN}}}\npython -m verl.trainer.main_ppo \\\n"
        "  actor_rollout_ref.model.path=$M \\\n  actor_rollout_ref.model.lora_rank=8\\\n"
        "  actor_rollout_ref.model.target_modules=\"['q_proj','V_PROJ']\"\n",
        5,
    ),
    "flags of a script": (
        "a.sh",
        f"python finetune.py --base_model '{QWEN}' --lora_r 8 \\\n"
        "  --lora_target_modules '[q_proj, V_PROJ]'\n",
        2,
    ),
    "PEFT in Python": (
        "a.py",
        "from peft import LoraConfig\nfrom transformers import AutoModelForCausalLM as M\n"
        f'BASE = "{QWEN}"\nTARGETS = ["q_proj"]\n'
        "model = AutoModelForCausalLM.from_pretrained(BASE)\n"
        'config = LoraConfig(r=8,\n    target_modules=TARGETS + ["V_PROJ"])\n',
        7,
    ),
    "a dict in Python": (
        "a.py",
        f'm = AutoModelForCausalLM.from_pretrained("{QWEN}")\n'
        'kwargs = dict(r=8, target_modules=["q_proj", "V_PROJ"])\nLoraConfig(**kwargs)\n',
        3,
    ),
    "xtuner": (
        "a.py",
        f'path = "{QWEN}"\nmodel = dict(llm=dict(type=AutoModelForCausalLM.from_pretrained,\n'
        "    pretrained_model_name_or_path=path), lora=dict(type=LoraConfig, r=8,\n"
        '    target_modules=["q_proj", "V_PROJ"], task_type="CAUSAL_LM"))\n',
        4,
    ),
    "unsloth in Python": (
        "a.py",
        f'model, tok = FastLanguageModel.from_pretrained(model_name="{QWEN}")\n'
        'model = FastLanguageModel.get_peft_model(model, r=8,\n  target_modules=["V_PROJ"])\n',
        3,
    ),
    "defaults of flags in Python": (
        "a.py",
        "from peft import LoraConfig\np.add_argument('--targets', default='q_proj,V_PROJ')\n"
        "args = p.parse_args()\n"
        f"SFTTrainer(model='{QWEN}', peft_config=LoraConfig(\n"
        "  target_modules=args.targets.split(',')))\n",
        5,
    ),
    "a notebook": (
        "a.ipynb",
        '{\n "cells": [\n  {"cell_type": "markdown", "source": ["x"]},\n'
        '  {"cell_type": "code", "source": [\n   "!pip install peft\\n",\n'
        f'   "m = AutoModel.from_pretrained(\\"{QWEN}\\")\\n",\n'
        '   "c = LoraConfig(r=8,\\n",\n   "  target_modules=[\\"V_PROJ\\"])\\n"]}\n ]\n}\n',
        8,
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_read(project: Project, name: str) -> None:
    path, text, line = FORMATS[name]
    right = text.replace("V_PROJ", "v_proj").replace("ATTENTION_DENSE", "attention_dense")
    assert project.codes(path, right) == []
    assert project.report.seen, "nothing was read"
    assert project.report.seen[0].kind
    wrong = text.replace("V_PROJ", "v_porj").replace("ATTENTION_DENSE", "attention_densse")
    found = project.codes(path, wrong)
    assert [code[:6] for _, code in found] == ["HFKV10"], project.report.findings
    assert found[0][0] == line
    (finding,) = project.report.findings
    assert "did you mean" in finding.message


PLACEHOLDERS = ("${lora.targets}", "{{ targets }}", "$TARGETS", "<targets>", "???")


@pytest.mark.parametrize("hole", PLACEHOLDERS)
def test_what_is_filled_in_later_is_left_alone(project: Project, hole: str) -> None:
    base = f"base_model: {QWEN}\nadapter: lora\nlora_r: 8\n"
    assert project.codes("a.yml", f"{base}lora_target_modules: '{hole}'\n") == []
    assert project.codes("a.yml", f"{base}lora_target_modules: [q_proj, '{hole}']\n") == []
    text = f"{base}lora_alpha: '{hole}'\nlora_target_modules: [q_proj, v_porj]\n"
    assert project.codes("a.yml", text) == [(5, "HFKV102")]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        # Helm, Jinja and GitHub's own expressions.
        ("chart/job.yaml", "{{- if .Values.lora }}\nenv:\n  lora_r: {{ .Values.r }}\n{{- end }}\n"),
        ("t.yaml", "{% for m in models %}\nmodel: {{ m }}\nlora_target: all\n{% endfor %}\n"),
        ("t.json", '{"peft_type": {{ kind }}, "r": {{ r }}, "target_modules": ["qq"]}'),
        ("ci.yml", "jobs:\n  lora:\n    run: echo ${{ github.sha }} lora_r\n"),
        # Other programs' files of the same names.
        ("adapter_config.json", '{"type": "robot", "lora": {"rank": 4}}'),
        ("adapter_config.json", "[1, 2]"),
        ("config.json", '{"model_type": "nginx", "port": 80}'),
        ("config.json", '// a comment\n{"port": 80}'),
        ("config.json", ""),
        ("tokenizer_config.json", '{"model_type": "llama", "tokenizer_class": "X"}'),
        # LoRA of other libraries.
        ("sd.toml", 'network_module = "networks.lora"\nnetwork_dim = 32\n[lora]\nrank = 4\n'),
        ("x.py", "from mylib import LoraConfig\nLoraConfig(r=8, target_modules=['q_porj'])\n"),
        ("x.py", "def lora(: this is no Python\nLoraConfig(target_modules=['q_porj'])\n"),
        ("x.py", "from peft import LoraConfig\nLoraConfig(r=r, target_modules=names(), **more)\n"),
        ("vllm.yaml", "lora_modules: [{name: a, path: b}]\nmax_lora_rank: 64\n"),
        ("x.sh", "python serve.py --enable-lora --max-lora-rank 64 --lora-modules a=b\n"),
        ("x.sh", "echo 'lora' && for i in 1 2; do python t.py --lora_r $i; done\n"),
        ("x.py", "m = dict(type=AutoModel.from_pretrained, "
         f'pretrained_model_name_or_path="{QWEN}")\n'
         "lora = dict(type=LoraConfig, r=8, use_bdlora=None)\n"),
        # No adapter is trained.
        ("full.yaml", f'model: {QWEN}\ntraining:\n  training_type: full\n'
         'lora:\n  lora_r: 64\n  target_modules: ""\n'),
        ("off.yaml", f"model_name: {QWEN}\nuse_lora: no\nlora:\n  r: 8\n  target_modules: [x]\n"),
        ("verl.yaml", f"model:\n  path: {QWEN}\n  lora_rank: 0\n  target_modules: [x]\n"),
    ],
)  # fmt: skip
def test_what_is_not_ours_gives_no_finding(project: Project, path: str, text: str) -> None:
    assert project.codes(path, text) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32"])
def test_other_encodings_are_read_and_kept(project: Project, encoding: str) -> None:
    text = f"# é\nbase_model: {QWEN}\nadapter: lora\nlora_r: 8\nlora_target_modules: [v_porj]\n"
    assert project.codes("a.yml", text.encode(encoding)) == [(5, "HFKV101")]
    claim = f"é <!-- hfkv: kv {QWEN} --tokens 1 -->1 B<!-- /hfkv -->\n"
    file = project.write("README.md", claim.encode(encoding))
    assert project.check("README.md", fix=True)[0].fixed
    assert file.read_bytes() == claim.replace(">1 B", ">147456 B").encode(encoding)


@pytest.mark.parametrize(
    ("path", "text", "expected", "words"),
    [
        (
            "a.yml",
            f"base_model: {QWEN}\nadapter: loar\nlora_r: 8\nlora_target_modules: [q_proj]\n",
            [(2, "HFKV107")],
            "did you mean lora",
        ),
        (
            "a.yml",
            f"base_model: {QWEN}\nadapter: lora\nlora_r: 8\nlora_target_module: [q_proj]\n",
            [(4, "HFKV111")],
            "lora_target_modules",
        ),
        (
            "a.yml",
            f"base_model: {QWEN}\nadapter: lora\nlora_r: 8\nsequence_len: 65536\n"
            "lora_target_modules: [q_proj]\n",
            [(4, "HFKV112")],
            "40,960",
        ),
        (
            "a.json",
            f'{{"peft_type": "lora", "base_model_name_or_path": "{QWEN}", "r": 8,\n'
            ' "target_modules": ["q_proj"], "lora_alpha": "32"}',
            [(1, "HFKV107"), (2, "HFKV107")],
            "expected a number",
        ),
        (
            "a.yaml",
            f"model: {QWEN}\nfine_tune_type: lora\nnum_layers: 64\n",
            [(3, "HFKV109")],
            "36",
        ),
        (
            "a.py",
            "from peft import LoraConfig\nLoraConfig(r=8, target_module=['q_proj'])\n",
            [(2, "HFKV111")],
            "target_modules",
        ),
        (
            "a.yaml",
            "model_name_or_path: nobody/a-model\nuse_peft: true\nlora_r: 8\n",
            [(1, "HFKV002")],
            "not locked",
        ),
        (
            "a.yaml",
            "model_name_or_path: Qwen/Qwen-3-8B\nuse_peft: true\nlora_r: 8\n",
            [(1, "HFKV002")],
            f"did you mean {QWEN}?",
        ),
    ],
)
def test_mistakes_beside_the_names(
    project: Project, path: str, text: str, expected: list[tuple[int, str]], words: str
) -> None:
    assert project.codes(path, text) == expected, project.report.findings
    assert words in project.report.findings[-1].message


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("/root/models/Qwen3-8B", "HFKV003"),
        ("./out", "HFKV003"),
        ("output/sft/checkpoint-500", "HFKV003"),
        ("saves/qwen", "HFKV003"),
        ("C:\\models\\qwen", "HFKV003"),
        (None, "HFKV110"),
    ],
)
def test_a_base_that_is_not_here_is_a_note(project: Project, base: Any, code: str) -> None:
    value = {"peft_type": "LORA", "base_model_name_or_path": base, "r": 8}
    project.write("adapter_config.json", {**value, "target_modules": ["q_proj"]})
    project.lock()
    (note,) = project.check()
    assert (note.code, note.note) == (code, True)
    assert "bases" in note.message


def test_a_list_that_reaches_the_vision_tower_is_a_note(project: Project) -> None:
    text = "base_model: google/gemma-3-4b-it\nadapter: lora\nlora_r: 8\nlora_target_modules: [{}]\n"
    assert project.codes("a.yml", text.format("q_proj")) == [(4, "HFKV113")]
    assert project.report.findings[0].note
    assert project.codes("a.yml", text.format("o_proj")) == []


def test_names_of_the_older_transformers_are_one_finding(project: Project) -> None:
    names = [f"language_model.model.layers.{n}.self_attn.q_proj" for n in range(30)]
    value = {"peft_type": "LORA", "base_model_name_or_path": "google/gemma-3-4b-it", "r": 8}
    assert project.codes("a.json", {**value, "target_modules": names}) == [(6, "HFKV101")]
    assert "'model.language_model.'" in project.report.findings[0].message


def test_fused_experts_are_named_where_they_were_meant(project: Project) -> None:
    text = "base_model: openai/gpt-oss-20b\nadapter: lora\nlora_r: 8\n"
    text += "lora_target_modules: [q_proj, experts.w1]\n"
    assert project.codes("a.yml", text) == [(4, "HFKV102")]
    assert "target_parameters: [experts.gate_up_proj" in project.report.findings[0].message


def test_unsloth_looks_for_the_fused_experts_itself(project: Project) -> None:
    text = (
        'model, tok = FastLanguageModel.from_pretrained("openai/gpt-oss-20b")\n'
        "model = FastLanguageModel.get_peft_model(model, r=8,\n"
        '  target_modules=["q_proj", "up_proj", "v_porj"])\n'
    )
    assert project.codes("a.py", text) == [(3, "HFKV005"), (3, "HFKV102")]
    assert project.report.findings[0].note


@pytest.mark.parametrize(
    ("name", "code"), [("mlp_up", "HFKV005"), ("up_prj", "HFKV101"), ("Wkqv", "HFKV101")]
)
def test_names_of_a_class_in_the_repository_are_a_note(
    project: Project, name: str, code: str
) -> None:
    config = {"model_type": "mpt", "d_model": 64, "n_heads": 4, "n_layers": 2, "vocab_size": 96}
    own = {"AutoModelForCausalLM": "modeling_mpt.MPTForCausalLM"}
    project.write("m/config.json", {**config, "architectures": ["MPTForCausalLM"], "auto_map": own})
    text = f"base_model: m\nadapter: lora\nlora_r: 8\nlora_target_modules: [{name}]\n"
    assert project.codes("a.yml", text) == [(4, code)], project.report.findings
    assert project.report.findings[0].note is (code == "HFKV005")


def test_a_pointer_of_git_lfs_is_no_file(project: Project) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    for name in ("model.safetensors", "adapter_model.safetensors", "adapter_config.json"):
        project.write(f"m/{name}", pointer)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64}
    config |= {"num_attention_heads": 2, "num_hidden_layers": 2, "vocab_size": 9}
    project.write("m/config.json", {**config, "intermediate_size": 64})
    project.write(
        "a.yml", "base_model: m\nadapter: lora\nlora_r: 8\nlora_target_modules: [q_pro]\n"
    )
    assert project.found() == [("a.yml", 4, "HFKV101")]


def test_a_scan_stays_inside(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.json").write_text('{"peft_type": "LORA", "r": 0}')
    os.symlink(outside / "a.json", project.root / "a.json")
    os.symlink(outside, project.root / "folder")
    assert project.found() == []
    assert [code for _, _, code in project.found("a.json")] == ["HFKV110", "HFKV107"][:1]


def test_the_report_says_what_was_read(project: Project) -> None:
    project.write("a.yml", FORMATS["axolotl"][1].replace("V_PROJ", "v_proj"))
    project.write("b.py", "LoraConfig(r=8)\n")
    project.write("c.py", "parser.add_argument('--lora_r')\nlora_rank = 3\nx = 1\n")
    project.write("d.yaml", "peft_type: lora\nvalue: 1\n")
    project.check()
    seen = {item.path: (item.kind, item.base) for item in project.report.seen}
    assert seen["a.yml"] == ("axolotl", QWEN)
    assert seen["b.py"] == ("PEFT", "")
    assert seen["c.py"] == seen["d.yaml"] == ("", "")


def test_templates_keep_their_places() -> None:
    text = 'a: {{ x }}\n{% if y %}\nb: "{{ z }}"\n'
    filled = fill_holes(text)
    assert [len(line) for line in filled.split("\n")] == [len(line) for line in text.split("\n")]
    assert filled.split("\n")[1].strip() == ""
    assert json.loads(fill_holes('{"a": {{ x }}, "b": "{{ y }}"}', quote=True)).keys() == {"a", "b"}
    assert not is_placeholder("q_proj")
    assert not is_placeholder(r".*\.(q|v)_proj$")


def test_lists_for_several_models_are_not_held_against_one(project: Project) -> None:
    text = (
        f'm = AutoModelForCausalLM.from_pretrained("{QWEN}")\nif falcon:\n'
        '    c = LoraConfig(target_modules=["query_key_value"])\nelse:\n'
        '    c = LoraConfig(target_modules=["q_proj"])\n'
    )
    assert project.codes("a.py", text) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("llamb", [("HFKV401", False)]), ("mamba9", [("HFKV401", True)]), ("vit", [])],
)
def test_a_newer_type_is_no_misspelt_one(
    project: Project, name: str, expected: list[tuple[str, bool]]
) -> None:
    project.write("config.json", {"model_type": name, "hidden_size": 64, "architectures": ["X"]})
    assert [(item.code, item.note) for item in project.check()] == expected


def test_a_name_without_an_organization_is_a_folder_or_one_of_the_old_ones() -> None:
    from hfkv.check.models import local_path

    root = Path("/nowhere")
    assert local_path("llama-7b-hf", root) == root / "llama-7b-hf"
    assert local_path("gpt2", root) is None
    assert local_path("bert-base-uncased", root) is None
    assert local_path(QWEN, root) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Qwen/Qwen3-8b-", QWEN), ("Qwem/Qwen3-8B", QWEN), ("Qwen/Qwen4-8B", ""), ("a/b", "")],
)
def test_a_misspelt_base_has_its_near_name(project: Project, name: str, meant: str) -> None:
    text = f"base_model: {name}\nadapter: lora\nlora_r: 8\nlora_target_modules: [q_proj]\n"
    assert project.codes("a.yml", text) == [(1, "HFKV002")]
    message = project.report.findings[0].message
    assert ("did you mean" in message) == bool(meant)
    assert meant in message
