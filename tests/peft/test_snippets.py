"""The snippet, run with the pinned PEFT on a real tiny model, makes the adapter that was counted.

Plain layers, variants, starts, refusals: what PEFT says is what hfkv says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.peft.lora.options import snippet
from tests.peft.tiny import CONFIG, facts

pytestmark = pytest.mark.oracle

BLOCKS = {"target_modules_bd_a": ["o_proj"], "target_modules_bd_b": ["q_proj"], "nblocks": 2}
TIED = {"ensure_weight_tying": True}
CASES: list[dict[str, Any]] = [
    {},
    {"target_modules": None},
    {"target_modules": r".*\.1\..*_proj"},
    {"r": 4, "rank_pattern": {"q_proj": 2, r".*\.0\..*k_proj": 6}},
    {"target_modules": ["q_proj", "embed_tokens"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["mlp", "up_proj"]},
    {
        "target_modules": ["q_proj"],
        "layers_to_transform": [0],
        "modules_to_save": ["layers.1", "up_proj"],
    },
    {"target_modules": [], "target_parameters": ["k_proj.weight", "q_proj.weight"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], **TIED},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"], **TIED},
    {"target_modules": ["lm_head"], "modules_to_save": ["lm_head"], **TIED},
    {"target_modules": ["q_proj", "lm_head"], **TIED},
    {"target_modules": ["embed_tokens"], "rank_pattern": {"lm_head": 2}, **TIED},
    {"target_modules": r".*(embed_tokens|q_proj)", **TIED},
    {"target_modules": r"lm_head|.*q_proj", "use_dora": True, **TIED},
    {"target_modules": ["lm_head"], "exclude_modules": ["embed_tokens"], **TIED},
    TIED,
    {"layer_replication": [[0, 1], [0, 2], [1, 2]]},
    {"layer_replication": [[1, 2]], "bias": "all", "target_modules": ["q_proj"]},
    {"layer_replication": [[0, 2], [1, 2]], "use_dora": True, "modules_to_save": ["lm_head"]},
    {
        "layer_replication": [[0, 2], [0, 2]],
        "target_modules": ["q_proj"],
        "layers_to_transform": [3],
        "modules_to_save": ["up_proj"],
    },
    {"layer_replication": [[0, 3]]},
    {"layer_replication": [[-1, 1]]},
    {"layer_replication": []},
    {"use_qalora": True},
    {"use_qalora": True, "use_dora": True},
    {"trainable_token_indices": {"embed_tokens": [1, 2]}},
    {"layers_to_transform": [1], "target_modules": ["q_proj"], "layers_pattern": ["layers"]},
    {"bias": "all"},
    {"bias": "lora_only"},
    {"target_modules": [], "target_parameters": ["mlp.up_proj.weight"]},
    {"target_modules": None, "target_parameters": ["mlp.up_proj.weight"]},
    {"target_modules": ["q_proj"], "exclude_modules": r".*\.0\..*"},
    {"lora_bias": True},
    {"lora_bias": True, "init_lora_weights": "gaussian"},
    {"use_dora": True},
    {"use_dora": True, "target_modules": ["embed_tokens"]},
    {"init_lora_weights": "mica"},
    {"init_lora_weights": "mica", "target_modules": ["embed_tokens"]},
    {"init_lora_weights": "MiCA"},
    {"init_lora_weights": "mica", "r": 65, "target_modules": ["q_proj"]},
    {"init_lora_weights": "mica", "use_dora": True},
    {"init_lora_weights": "olora"},
    {"init_lora_weights": "pissa_niter_2"},
    {"init_lora_weights": "pissa_fast"},
    {"init_lora_weights": "orthogonal", "r": 4},
    {"init_lora_weights": "orthogonal", "r": 3},
    {"init_lora_weights": "novel"},
    {"init_lora_weights": "novel", "target_modules": ["embed_tokens"]},
    {"init_lora_weights": None},
    {
        "init_lora_weights": "gaussian",
        "target_modules": [],
        "target_parameters": ["up_proj.weight"],
    },
    {"kasa_config": {}},
    {"kasa_config": {"beta": 0.1}, "r": 64, "target_modules": ["q_proj"]},
    {"kasa_config": {}, "target_modules": ["embed_tokens"]},
    {"monteclora_config": {"num_samples": 5}},
    {"monteclora_config": {}, "target_modules": ["q_proj"], "target_parameters": ["k_proj.weight"]},
    {"use_bdlora": BLOCKS, "target_modules": ["q_proj", "o_proj"]},
    {"use_bdlora": BLOCKS, "target_modules": ["q_proj", "o_proj"], "lora_bias": True},
    {"use_bdlora": BLOCKS},
    {"use_bdlora": {**BLOCKS, "match_strict": False}},
    {"use_bdlora": {**BLOCKS, "nblocks": 3}, "target_modules": ["q_proj"]},
    {"use_bdlora": {**BLOCKS, "target_modules_bd_a": ["q_proj"]}, "target_modules": ["q_proj"]},
    {"alora_invocation_tokens": [1, 2], "task_type": "CAUSAL_LM"},
    {"alora_invocation_tokens": [1], "use_dora": True},
    {"alora_invocation_tokens": [1], "target_modules": ["embed_tokens"]},
    {"velora_config": {"num_groups": 8}},
    {"velora_config": {}, "target_modules": [], "target_parameters": ["up_proj.weight"]},
    {"use_rslora": True, "lora_alpha": 32, "lora_dropout": 0.1},
    {"lora_dropout": 0.1, "target_modules": [], "target_parameters": ["up_proj.weight"]},
    {"modules_to_save": ["mlp"], "target_modules": ["q_proj"]},
    {"modules_to_save": ["mlp"], "target_modules": ["up_proj"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "bias": "all"},
]


Numbers = tuple[int, int, int, dict[str, int], int]


def real(config: Any, tied: bool, folder: Path) -> Numbers | None:
    """What PEFT trains, all there is, and what it writes to disk; what is trained in bytes by
    dtype, and what is written in bytes. None where it refuses."""
    import peft
    import torch
    import transformers
    from safetensors import safe_open

    base = transformers.LlamaConfig(**{**CONFIG, "tie_word_embeddings": tied})
    model = transformers.LlamaForCausalLM(base).to(torch.bfloat16)
    try:
        adapted = peft.get_peft_model(model, config())
    except Exception:
        return None
    trained, everything = adapted.get_nb_trainable_parameters()
    held: dict[str, int] = {}
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            name = str(parameter.dtype).removeprefix("torch.")
            held[name] = held.get(name, 0) + parameter.nbytes
    adapted.save_pretrained(folder)
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
    numel = sum(tensor.numel() for tensor in tensors)
    return trained, everything, numel, held, sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_the_snippet_makes_what_was_counted(
    case: dict[str, Any], tied: bool, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    given = {"r": 8, "target_modules": "all-linear", **case}
    mine: Numbers | None = None
    try:
        options = LoraOptions.from_options(**given)
        figure = Model(facts(tied=tied)).lora(options)
        mine = (
            figure.parameters,
            figure.all_parameters,
            figure.saved_parameters,
            figure.training_bytes,
            figure.saved_bytes,
        )
    except HfkvError:
        assert real(lambda: peft.LoraConfig(**given), tied, tmp_path) is None
        return
    text = snippet(options)
    assert mine == real(lambda: eval(text, {"LoraConfig": peft.LoraConfig}), tied, tmp_path), text
    assert mine == real(lambda: peft.LoraConfig(**given), tied, tmp_path)
