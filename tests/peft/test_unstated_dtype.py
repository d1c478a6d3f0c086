"""An adapter on a model of which nothing says the dtype: counted all the same."""

from __future__ import annotations

from hfkv.facts import Facts
from hfkv.model import Model
from tests.peft.tiny import CONFIG, facts


def test_a_count_needs_no_dtype() -> None:
    raw = {key: value for key, value in CONFIG.items() if key != "torch_dtype"}
    figure = Model(Facts(model="m", source="directory", config=raw)).lora(r=4)
    assert figure.parameters == Model(facts()).lora(r=4).parameters
    assert (figure.dtype, figure.bytes) == ("float32", 4 * figure.parameters)
    assert "says the model's dtype" in figure.notes[-1]
