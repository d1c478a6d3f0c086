"""A plan says of its layers all that a library needs to store them its own way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hfkv.cache import CacheTensor, KVCache, Layer, Plan, plan
from hfkv.cache.conventions import Convention, Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.kinds import Full, Indexer, Latent, Shared, Sliding, State, Together
from hfkv.dtypes import BITS
from hfkv.facts.config import Config
from tests.cache.stored import size


def planned(model_type: str, **keys: Any) -> Plan:
    return plan(Config({"model_type": model_type, **keys}, where="test"))


@dataclass(frozen=True)
class Paged:
    """Blocks of tokens, as many heads on each GPU as there are, the latent as one row."""

    block: int
    gpus: int = 1
    name: str = "paged"

    def layers(self, plan: Plan, stored: Sequences) -> tuple[Layer, ...]:
        found = []
        for index, kind in enumerate(plan.kinds):
            tensors = [
                CacheTensor(name=name, shape=(stored.batch, *shape), dtype=dtype or stored.dtype)
                for name, shape, dtype in self._shapes(kind, stored.tokens)
            ]
            found.append(Layer(index=index, kind=kind.name, tensors=tuple(tensors)))
        return tuple(found)

    def _shapes(self, kind: Any, tokens: int) -> list[tuple[str, tuple[int, ...], str | None]]:
        blocks = math.ceil(tokens / self.block) * self.block
        match kind:
            case Full():
                width = max(kind.heads // self.gpus, 1) * (kind.k_dim + kind.v_dim)
                return [("kv", (blocks, width), None)]
            case Sliding():
                most = math.ceil((kind.window + self.block) / self.block) * self.block
                width = max(kind.heads // self.gpus, 1) * (kind.k_dim + kind.v_dim)
                return [("kv", (min(blocks, most), width), None)]
            case Latent():
                return [("latent", (blocks, kind.rank + (kind.rotary or 0)), None)]
            case Indexer():
                return [("index", (blocks, kind.dim), kind.dtype)]
            case State():
                return [(part.role, part.shape, part.dtype) for part in kind.parts]
            case Together():
                return [shape for part in kind.parts for shape in self._shapes(part, tokens)]
        return []

    def bytes(self, plan: Plan, stored: Sequences) -> int:
        return sum(layer.bytes for layer in self.layers(plan, stored))

    def bends(self, plan: Plan) -> tuple[int, ...]:
        return ()

    def period(self, plan: Plan) -> int:
        return 1


def test_another_convention_needs_nothing_but_the_plan() -> None:
    paged: Convention = Paged(block=16, gpus=2)
    stored = Sequences(tokens=20, dtype="F8_E4M3")
    llama = planned("llama", num_hidden_layers=2, num_attention_heads=4, hidden_size=64)
    assert paged.bytes(llama, stored) == 2 * 32 * (4 // 2) * 2 * 16
    deepseek = planned("deepseek_v3", num_hidden_layers=3)
    assert paged.bytes(deepseek, stored) == 3 * 32 * (512 + 64)
    figure = KVCache(
        model="m",
        bytes=paged.bytes(llama, stored),
        tokens=20,
        batch=1,
        dtype="float8_e4m3fn",
        basis="documented",
        bytes_per_token=0,
        constant_bytes=0,
        plan=llama,
        element="F8_E4M3",
        convention=paged,
    )
    assert figure.engine == figure.to_json()["engine"] == "paged"
    assert figure.curve.bytes(33) == 2 * 48 * 64
    assert sum(layer.bytes for layer in figure.layers) == figure.bytes


def test_widths_windows_and_states_are_said_by_their_roles() -> None:
    assert planned("deepseek_v3").kinds[0] == Latent(
        rank=512, rotary=64, rows={".kv_a_proj_with_mqa.weight": 576}
    )
    note = planned("dots3_note_text", num_hidden_layers=4)
    windows = [getattr(kind, "window", None) for kind in note.kinds]
    assert windows == [None, None, 512, 512]
    mixed = planned("qwen3_next", num_hidden_layers=4)
    (state,) = {kind for kind in mixed.kinds if isinstance(kind, State)}
    assert [(part.role, part.dtype) for part in state.parts] == [
        ("convolution", None),
        ("recurrent", "F32"),
    ]
    (first, *_) = planned("deepseek_v32").kinds
    assert isinstance(first, Together)
    assert [type(part) for part in first.parts] == [Latent, Indexer]


def test_a_layer_that_shares_says_with_which() -> None:
    made = planned("gemma3n_text")
    own = [index for index, kind in enumerate(made.kinds) if not isinstance(kind, Shared)]
    for kind in made.kinds:
        if isinstance(kind, Shared):
            assert kind.layer in own
    last = [kind.layer for kind in made.kinds if isinstance(kind, Shared)]
    assert set(last) == {own[-1], own[-2]}
    large = planned(
        "mistral_large4_text",
        num_hidden_layers=3,
        kv_source_layers=[0, 1, 0],
        indexer_types=["full", "full", "shared"],
    )
    assert large.kinds[2] == Shared(layer=0)


def test_transformers_holds_what_it_says_in_bytes() -> None:
    for model_type in ("gemma3_text", "deepseek_v4", "falcon_h1", "whisper", "xlnet"):
        made = planned(model_type)
        stored = Sequences(tokens=37, batch=2, dtype="F16", encoder_tokens=5)
        held = TRANSFORMERS.layers(made, stored)
        assert [layer.index for layer in held] == list(range(len(made.kinds)))
        total = sum(
            math.prod(tensor.shape) * BITS[tensor.dtype] // 8
            for layer in held
            for tensor in layer.tensors
        )
        assert total == size(made, tokens=37, batch=2, dtype="F16", encoder_tokens=5)
