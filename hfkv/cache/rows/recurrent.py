"""Recurrent and hybrid models: states of a fixed size, alone or beside attention."""

from __future__ import annotations

from hfkv.cache.geometry import grouped, grouped_stated, latent
from hfkv.cache.layer_types import every_layer, jamba_blocks, linear_but_one_in
from hfkv.cache.plans import PlanFunction, layered
from hfkv.cache.row import Row
from hfkv.cache.states import (
    KindRule,
    gated_delta,
    indexed_latent,
    mamba1,
    mamba1_of_jamba,
    mamba2,
    mamba2_of_falcon_h1,
    with_state,
)

__all__ = ["ROWS"]

_GATED_DELTA = layered(grouped, linear_but_one_in(4), kinds={"linear_attention": gated_delta})


def _recurrent(kind: KindRule) -> PlanFunction:
    """Recurrent layers only; the class does not read ``layer_types``."""
    return layered(
        grouped,
        every_layer("linear_attention"),
        explicit=False,
        kinds={"linear_attention": kind},
    )


ROWS: dict[str, Row] = {
    "deepseek_v32": Row(
        layered(
            latent, every_layer("indexed_attention"), kinds={"indexed_attention": indexed_latent}
        )
    ),
    "axk2": Row(
        layered(
            latent, every_layer("indexed_attention"), kinds={"indexed_attention": indexed_latent}
        )
    ),
    "qwen3_next": Row(_GATED_DELTA),
    "qwen3_5_text": Row(_GATED_DELTA),
    "qwen3_5_moe_text": Row(_GATED_DELTA),
    "mamba": Row(_recurrent(mamba1)),
    "falcon_mamba": Row(_recurrent(mamba1)),
    "mamba2": Row(_recurrent(mamba2)),
    "jamba": Row(
        layered(
            grouped_stated,
            jamba_blocks,
            explicit=False,
            kinds={"linear_attention": mamba1_of_jamba},
        )
    ),
    "falcon_h1": Row(
        layered(
            grouped,
            every_layer("hybrid"),
            explicit=False,
            kinds={"hybrid": with_state(grouped, mamba2_of_falcon_h1)},
        )
    ),
}
