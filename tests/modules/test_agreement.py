"""Files that are not what their class makes of their config: counted as the class, and said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from hfkv.errors import UnsupportedError
from hfkv.model import Model
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tiny import facts

#: The tiny Llama's adapter on all linear layers at rank 4, whatever its file holds.
WHOLE = Model(facts()).lora(r=4).parameters
EXTRA = Tensor(name="mtp.eh_proj.weight", dtype="BF16", shape=(64, 128))


def _model(change: Callable[[list[Tensor]], Iterable[Tensor]]) -> Model:
    base = facts()
    assert base.tensors is not None
    return Model(replace(base, tensors=TensorTable(change(list(base.tensors)))))


def _without(part: str) -> Callable[[list[Tensor]], Iterable[Tensor]]:
    return lambda tensors: (tensor for tensor in tensors if part not in tensor.name)


def _renamed(old: str, new: str) -> Callable[[list[Tensor]], Iterable[Tensor]]:
    return lambda tensors: (
        Tensor(name=t.name.replace(old, new), dtype=t.dtype, shape=t.shape) for t in tensors
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("layers.1."), "a part of a pipeline, or an upload that was cut short"),
        (_without("q_proj"), "2 parameters of the class are not in the file"),
        (lambda tensors: [*tensors, EXTRA], "mtp.eh_proj.weight (a head for drafting)"),
        (_renamed("mlp.", "mlp.switch_mlp."), "an MLX conversion"),
        (_renamed("model.layers", "blk"), "the names of a GGUF file"),
        (
            lambda tensors: (
                replace(t, shape=(t.shape[0], 32)) if "q_proj" in t.name else t for t in tensors
            ),
            "2 have another shape, model.layers.0.self_attn.q_proj.weight [64, 32] in the file and "
            "[64, 64] in the class",
        ),
        (
            lambda tensors: [Tensor(name="other.weight", dtype="BF16", shape=(8, 8))],
            "the header is not of this config's model",
        ),
    ],
    ids=["layer", "layers' part", "draft", "mlx", "gguf", "shape", "nothing"],
)
def test_the_class_is_counted_and_the_difference_comes_first(
    change: Callable[[list[Tensor]], Iterable[Tensor]], said: str
) -> None:
    figure = _model(change).lora(r=4)
    assert (figure.parameters, figure.basis) == (WHOLE, "contradicted")
    assert said in figure.notes[0]


def test_the_cache_is_judged_as_the_adapter_is() -> None:
    model = _model(lambda tensors: [*tensors, EXTRA])
    cache = model.kv_cache(tokens=10)
    assert (cache.basis, cache.notes[0]) == ("contradicted", model.lora(r=4).notes[0])
    assert Model(facts()).kv_cache(tokens=10).basis == Model(facts()).lora(r=4).basis == "exact"


def test_buffers_and_what_the_class_itself_passes_over_are_no_difference() -> None:
    buffer = Tensor(name="model.layers.0.self_attn.rotary_emb.inv_freq", dtype="F32", shape=(8,))
    assert _model(lambda tensors: [*tensors, buffer]).lora(r=4).basis == "exact"


def test_a_config_of_peft_is_judged_as_options_are() -> None:
    model = _model(_without("q_proj"))
    config = {"peft_type": "LORA", "r": 4, "target_modules": "all-linear"}
    assert model.adapter(config) == model.lora(r=4)


def test_without_a_plan_nothing_proves_that_a_file_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(config: object) -> None:
        raise UnsupportedError("LlamaForCausalLM has no proved plan (a test's)")

    monkeypatch.setattr("hfkv.modules.by_plan.by_plan", none)
    whole = Model(facts())
    figure = whole.lora(r=4)
    assert (figure.parameters, figure.basis) == (WHOLE, "documented")
    assert figure.notes[-1].endswith("LlamaForCausalLM has no proved plan (a test's)")
    assert whole.kv_cache(tokens=10).basis == "exact"
    # What it cannot see it does not call exact; a layer that the config counts it does see.
    assert _model(_without("q_proj")).lora(r=4).basis == "documented"
    assert _model(_without("layers.1.")).lora(r=4).basis == "contradicted"
