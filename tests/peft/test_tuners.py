"""PEFT's methods on small models: what is counted is what PEFT trains, and what it writes.

Every tensor of the file that ``save_pretrained`` writes is compared by name, shape and dtype; where
PEFT refuses, so does hfkv.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hfkv.dtypes import torch_name
from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.model import Model
from hfkv.peft.methods import METHODS, UNCOUNTED, method_of
from hfkv.peft.tuners import TunerOptions
from hfkv.peft.tuners.inject import dtype_of
from hfkv.peft.tuners.options import COMMON, IRRELEVANT
from hfkv.peft.tuners.rules import RULES
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tuner_cases import CASES, EVERY, MODELS, ONLY, targets_of

FACTS: dict[str, Any] = json.loads(
    (resources.files("hfkv.data") / "peft_methods.json").read_text("utf-8")
)
#: Config classes that are counted elsewhere, or refused by name with the reason.
ELSEWHERE = {
    "CARTRIDGE", "CPT", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "PROMPT_TUNING"
}  # fmt: skip


def test_every_method_is_counted_or_refused_by_name() -> None:
    assert set(FACTS["methods"]) == set(RULES) | ELSEWHERE | set(UNCOUNTED)
    assert set(METHODS) == set(RULES) | ELSEWHERE | {"LORA"}
    for name, reason in UNCOUNTED.items():
        with pytest.raises(UnsupportedError, match=reason):
            method_of({"peft_type": name})
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("method", sorted(RULES))
def test_every_field_is_read_ignored_or_refused(method: str) -> None:
    defaults = FACTS["methods"][method]["fields"]
    rule = RULES[method]
    named = set(rule.reads) | set(rule.ignores.split())
    assert named <= set(defaults), named - set(defaults)
    assert not set(rule.reads) & set(rule.ignores.split())
    common = {*COMMON, *IRRELEVANT, "feedforward_modules"}
    for name in set(defaults) - named - common:
        # What no rule knows is refused as soon as it is on.
        with pytest.raises((UnsupportedError, InputError), match=name):
            TunerOptions.from_config({"peft_type": method, name: {"x": 1}, **rule.defaults})


@pytest.mark.parametrize("method", sorted(RULES))
def test_damage_is_an_error(method: str) -> None:
    for name in (*RULES[method].reads, "target_modules"):
        for value in (object(), b"x", float("nan")):
            with pytest.raises(HfkvError, match=name):
                TunerOptions.from_config(
                    {**RULES[method].defaults, "peft_type": method, name: value}
                )


@cache
def built(name: str) -> tuple[Any, Model]:
    """The model in bfloat16, and the same as hfkv reads it."""
    import torch
    import transformers

    from tests.census.lora_cases import published
    from tests.census.lora_compare import facts_of

    fields, cls, _ = MODELS[name]
    config_class = getattr(transformers, cls).config_class
    config = config_class(**fields, pad_token_id=0)
    torch.manual_seed(0)
    model = getattr(transformers, cls)(config).to(torch.bfloat16)
    table = TensorTable(Tensor(name=n, dtype=d, shape=s) for n, d, s in published(model))
    values = {
        **json.loads(config.to_json_string(use_diff=False)),
        "dtype": "bfloat16",
        "architectures": [cls],
    }
    return model, Model(facts_of(values, cls, table))


Numbers = tuple[int, int, dict[str, int], dict[str, tuple[tuple[int, ...], str]], int]


def real(model: Any, method: str, case: dict[str, Any], folder: Path) -> Numbers | str:
    """What PEFT trains, all there is, bytes by dtype, and the tensors that it writes."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from safetensors import safe_open

    model = copy.deepcopy(model)
    try:
        config = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(method)](**copy.deepcopy(case))
        adapted = peft.get_peft_model(model, config)
        adapted.save_pretrained(folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    trained, everything = adapted.get_nb_trainable_parameters()
    held: dict[str, int] = {}
    for parameter in adapted.parameters():
        if parameter.requires_grad and parameter.numel():
            name = str(parameter.dtype).removeprefix("torch.")
            held[name] = held.get(name, 0) + parameter.nbytes
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        tensors = {
            name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name in file.keys()  # noqa: SIM118
            for tensor in [file.get_tensor(name)]
        }
        size = sum(file.get_tensor(name).nbytes for name in tensors)
    return trained, everything, held, tensors, size


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("method", "name"),
    [(method, name) for name in MODELS for method in ONLY.get(name, sorted(CASES))],
)
def test_it_is_what_peft_makes(method: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    model, mine = built(name)
    extra = RULES[method].defaults
    small = {**extra, **targets_of(CASES[method][0], MODELS[name][2])}
    cases = [targets_of(case, MODELS[name][2]) for case in CASES[method]]
    cases += [
        {**small, **targets_of(case, MODELS[name][2])}
        for case in EVERY
        if set(case) <= set(FACTS["methods"][method]["fields"])
    ]
    wrong: list[Any] = []
    unsupported: list[Any] = []
    counted = 0
    for number, case in enumerate(cases):
        theirs = real(model, method, case, tmp_path / str(number))
        try:
            figure = mine.adapter({"peft_type": method, **case})
        except UnsupportedError as error:
            unsupported.append((case, str(error), theirs if isinstance(theirs, str) else ""))
            continue
        except HfkvError as error:
            if not isinstance(theirs, str):
                wrong.append((case, f"hfkv refuses: {error}", theirs[:3]))
            continue
        if not _again(figure, mine):
            wrong.append((case, figure.snippet()))
        if isinstance(theirs, str):
            wrong.append((case, figure.parameters, f"PEFT refuses: {theirs}"))
            continue
        counted += 1
        injection = figure.injection  # type: ignore[attr-defined]
        parts = {
            part_name: (part.shape, torch_name(dtype_of(part, "BF16", "F32")))
            for part_name, part in injection.parts
            if part.saved
        }
        written = {key.replace(".default", ""): item for key, item in theirs[3].items()}
        numbers = (
            figure.parameters,
            figure.all_parameters,  # type: ignore[attr-defined]
            figure.training_bytes,  # type: ignore[attr-defined]
        )
        if numbers != theirs[:3] or not parts.items() <= written.items():
            lacking = {key: item for key, item in parts.items() if written.get(key) != item}
            wrong.append((case, numbers, theirs[:3], list(lacking.items())[:3], list(written)[:6]))
            continue
        numel = sum(_product(shape) for shape, _ in written.values())
        if (figure.saved_parameters, figure.saved_bytes) != (numel, theirs[4]):  # type: ignore[attr-defined]
            more = sorted(set(written) - set(parts))
            wrong.append((case, figure.saved_parameters, numel, figure.to_json(), theirs[4], more))
    assert not wrong, "\n".join(map(str, wrong))
    # What hfkv leaves open is little, and never all that PEFT makes.
    made = [item for item in unsupported if not item[2]]
    assert len(made) <= counted, "\n".join(map(str, made))


def _again(figure: Any, mine: Model) -> bool:
    """Whether PEFT's own config object, made by the snippet, makes the same adapter."""
    import peft

    config = eval(figure.snippet(), vars(peft))
    again = mine.adapter(config.to_dict())
    return (again.parameters, again.saved_parameters) == (
        figure.parameters,
        figure.saved_parameters,
    )


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for side in shape:
        found *= side
    return found


def test_the_page_of_methods_names_each() -> None:
    page = (Path(__file__).parents[2] / ".github" / "METHODS.md").read_text("utf-8")
    for name, rule in RULES.items():
        size = f"`{rule.knob.name}`" if rule.knob else "-"
        assert any(
            line.startswith(f"| `{name}` | `{FACTS['methods'][name]['class']}` |")
            and line.endswith(f"| {size} |")
            for line in page.splitlines()
        ), name
    for name, reason in UNCOUNTED.items():
        assert f"`{name}`" in page
        assert reason.split(",")[0] in " ".join(page.split())


@pytest.mark.oracle
def test_the_table_is_that_of_the_pinned_peft() -> None:
    pytest.importorskip("peft")
    from hfkv.generate import peft_methods

    assert json.loads(json.dumps(peft_methods.generate())) == FACTS
