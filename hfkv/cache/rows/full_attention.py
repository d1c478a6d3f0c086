"""Decoders whose layers all attend to every token, or all to one and the same window."""

from __future__ import annotations

from dataclasses import replace

from hfkv.cache.encoders import attends_if
from hfkv.cache.geometry import (
    Heads,
    declared_head_dim,
    falcon,
    grouped,
    grouped_by,
    grouped_split,
    grouped_stated,
    head_dim_or_split,
    heads,
    kv_heads,
    mpt,
    multi_head,
    one_if,
    repeated,
    split_head_dim,
    stated_kv_heads,
    unfilled,
)
from hfkv.cache.kinds import Full, Kind, Nothing
from hfkv.cache.layer_types import all_full
from hfkv.cache.layered import layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

#: Classes that divide wherever there is no head size, 0 included.
_EITHER = grouped_by(kv_heads, head_dim_or_split)
_STATED_EITHER = grouped_by(stated_kv_heads, head_dim_or_split)
_STATED_SPLIT = grouped_by(stated_kv_heads, split_head_dim)
_MULTI_HEAD = layered(multi_head)


def _falcon(config: Config) -> Plan:
    """Falcon, with what its class does to the heads of the larger models."""
    made = layered(falcon)(config)
    if not config.bool("new_decoder_architecture"):
        return made
    # Read for the note alone: whatever it is, the class keeps a copy for every head.
    shared = config.peek("num_kv_heads" if config.states("num_kv_heads") else "n_head_kv")
    count = config.int("num_attention_heads")
    notes = repeated(shared, count) if type(shared) is int and shared > 0 else ()
    return replace(made, notes=(*made.notes, *notes))


def _dbrx(config: Config) -> Heads:
    """DBRX: the heads stand in ``attn_config``, whose class has no type of its own."""
    inner = config.nested("attn_config")
    if not isinstance(inner.peek("rope_theta"), (int, float)):
        raise ConfigError(
            f"found {describe(inner.peek('rope_theta'))}",
            where=inner.place("rope_theta"),
            expected="a number (the class has no default for it)",
        )
    count = inner.int("kv_n_heads")
    dim = split_head_dim(config)
    rows = {".Wqkv.weight": config.int("hidden_size") + 2 * count * dim}
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _jetmoe(config: Config) -> Heads:
    """JetMoE: keys and values of each head once; experts repeat them after the cache."""
    # Rotary embeddings are at least two wide, and would widen narrower keys.
    dim, count = config.int("kv_channels", least=2), config.int("num_key_value_heads")
    return Heads(count=count, k_dim=dim, v_dim=dim, rows={".kv_proj.weight": 2 * count * dim})


def _prompted(config: Config) -> Plan:
    """CPM-Ant: every sequence starts with a learned prompt, which is cached like tokens."""
    dim, extra = config.int("dim_head"), config.int("prompt_length", least=0)
    return _beside_others(
        config, dim, extra, f"the class puts a prompt of {extra} positions before every sequence"
    )


def _masked(config: Config) -> Plan:
    """XLM: each step ends with a mask token, for which it guesses; the first stays in the cache."""
    if not config.bool("is_encoder"):
        raise ConfigError(
            "is false, with which its class is not to be made",
            where=config.place("is_encoder"),
            expected="true",
        )
    width, count = config.int("emb_dim"), heads(config)
    if width % count:
        raise ConfigError(
            f"found {width}", where=config.place("emb_dim"), expected=f"a multiple of {count} heads"
        )
    note = "generation puts a mask token behind the text, and its keys and values are kept"
    return _beside_others(config, width // count, 1, note)


def _beside_others(config: Config, dim: int, extra: int, note: str) -> Plan:
    """Full layers that keep ``extra`` positions beside the tokens."""
    for key in ("layer_types", "sliding_window", "attention_chunk_size"):
        if config.get(key) is not None:
            raise UnsupportedError(
                f"{extra} more positions in a cache of other than full layers ({key})",
                where=config.place(key),
            )
    full = Full(heads=heads(config), k_dim=dim, v_dim=dim, extra=extra)
    return Plan(kinds=[full] * config.layers(), notes=(note,))


def _of_two_stacks(config: Config) -> Heads:
    """HRM: as many key/value heads as heads; a layer of the cache is no layer of the weights."""
    dim = declared_head_dim(config)
    return Heads(count=heads(config), k_dim=dim, v_dim=dim)


def _runs(config: Config) -> int:
    """HRM: the layers of two stacks run several times, and keep keys and values each time."""
    stack = config.optional_int("num_layers_per_stack")
    cycles = config.int("H_cycles") * (config.int("L_cycles", least=0) + 1)
    return (config.layers() if stack is None else stack) * cycles


def _hrm(config: Config) -> Plan:
    """A file that states ``num_layers_per_stack`` counts the places in its number of layers."""
    made = layered(_of_two_stacks, layers=_runs)(config)
    if config.optional_int("num_layers_per_stack") is None:
        return made
    places, runs = config.layers(), len(made.kinds)
    if places < runs:
        raise ConfigError(
            f"found {places}",
            where=config.place("num_hidden_layers"),
            expected=f"a place for each of {runs} runs of a layer, as its class fills them",
        )
    return replace(made, kinds=[*made.kinds, *([Nothing()] * (places - runs))])


def _blt(config: Config) -> Plan:
    """BLT: its byte encoder's and its byte decoder's attention; patches are computed anew."""
    kinds: list[Kind] = []
    for key, model_type in (
        ("encoder_config", "blt_local_encoder"),
        ("decoder_config", "blt_local_decoder"),
    ):
        part = config.nested(key, model_type=model_type)
        count = part.optional_int("num_key_value_heads", least=0) or part.int("num_attention_heads")
        dim = split_head_dim(part)
        kinds += [Full(heads=count, k_dim=dim, v_dim=dim)] * part.layers()
    return Plan(
        kinds=kinds,
        notes=(
            "tokens are bytes; generate() of transformers 5.24.0 cannot make this model's cache, "
            "so this is what the class fills in one that it is given",
        ),
    )


ROWS: dict[str, Row] = table(
    (
        "bitnet glm_ocr_text granite_docling_text llama olmoe paddleocr_vl_text",
        Row(layered(grouped)),
    ),
    (
        "granite4_vision_text hunyuan_vl_text qwen3_vl_text cosmos3_edge_text",
        Row(layered(grouped_stated)),
    ),
    (
        "emu3_text_model ernie4_5_vl_moe_text glm4v_moe_text molmo2_text qwen3_omni_moe_text",
        Row(layered(unfilled)),
    ),
    ("stablelm glm4v_text deepseek_ocr2_text", Row(layered(grouped_split))),
    ("moshi voxtral_realtime_text", Row(layered(_EITHER))),
    ("nemotron qwen3_vl_moe_text", Row(layered(_STATED_EITHER))),
    ("chameleon", Row(layered(_STATED_SPLIT))),
    ("gpt_neox", Row(_MULTI_HEAD)),
    ("gpt2", Row(attends_if("add_cross_attention", _MULTI_HEAD, multi_head))),
    ("laguna", Row(layered(grouped, all_full))),
    # A window of its own comes to nothing where no layer is said to slide.
    ("cohere_compass_text", Row(layered(grouped_stated, all_full))),
    ("gpt_bigcode", Row(layered(one_if("multi_query")))),
    ("falcon", Row(_falcon)),
    ("blt", Row(_blt)),
    ("cpmant", Row(_prompted)),
    ("xlm", Row(_masked)),
    ("dbrx", Row(layered(_dbrx))),
    ("hrm_text", Row(_hrm)),
    ("jetmoe", Row(layered(_jetmoe))),
    ("mpt", Row(layered(mpt))),
)
