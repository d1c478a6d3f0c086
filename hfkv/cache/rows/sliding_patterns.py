"""Decoders some of whose layers forget, by a pattern: windows or chunks between full layers."""

from __future__ import annotations

from hfkv.cache.geometry import (
    Heads,
    declared_head_dim,
    grouped,
    grouped_split,
    grouped_stated,
    kv_heads,
    multi_head,
    split_head_dim,
    unfilled,
)
from hfkv.cache.kinds import Kind, PromptAndWindow
from hfkv.cache.layer_types import (
    all_full,
    all_sliding,
    every_other_below,
    first_full,
    full_at,
    full_from_the_end,
    last_full,
    no_rope_chunked,
    no_rope_sliding,
    one_full_in,
    sliding_prefix,
    switched_from,
    window_from,
    window_if_used,
)
from hfkv.cache.layered import layered, looped, stated_per_layer
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Derived
from hfkv.reading import describe

__all__ = ["ROWS"]

_DORY_ENDS = ("n_input_layers", "n_output_layers")


def _dory(config: Config) -> Plan:
    """Dory: the layers between its first and its last run several times, each with its own cache.

    Published files count blocks: attention and ``mlp`` by turns, two to a layer.
    """
    names = config.strings("layer_types")
    blocks = 2 if names is not None and "mlp" in names else 1
    counts = [config.layers(), *(config.int(key, least=0) for key in _DORY_ENDS)]
    count, first, last = (value // blocks for value in counts)
    view = config
    if names is not None and blocks == 2:
        layers = Derived(count, "num_hidden_layers // 2, as its blocks go in pairs")
        kept = Derived([*names[::2]], "every other of layer_types")
        view = config.overlaid({"num_hidden_layers": layers, "layer_types": kept})
    made = layered(unfilled, one_full_in(4))(view)
    given = config.optional_int("n_recurrent_layers", least=0)
    inner = count - first - last if given is None else given // blocks
    if inner < 0 or first + inner + last != count:
        raise ConfigError(
            f"found {describe(given)}",
            where=config.place("n_recurrent_layers"),
            expected=f"what {first} layers before and {last} after leave of {count}",
        )
    mode = config.string("recurrent_kv_cache_mode")
    if mode not in ("per_loop", "last_loop"):
        raise ConfigError(
            f"found {describe(mode)}",
            where=config.place("recurrent_kv_cache_mode"),
            expected="per_loop or last_loop",
        )
    loops = config.int("n_recurrent_loops")
    runs = loops if mode == "per_loop" else 1
    return looped(config, made, first, first + inner, runs, "n_recurrent_loops")


def _local_window(config: Config) -> int | None:
    """ModernBERT's decoder: half of ``local_attention``, or a file's own ``sliding_window``.

    The class makes -1 of a missing one, and its cache then forgets tokens that it still needs.
    """
    if config.states("sliding_window"):
        return config.optional_int("sliding_window")
    size = config.optional_int("local_attention", least=0)
    if size is None or size < 2:
        raise ConfigError(
            f"found {describe(size)}",
            where=config.place("local_attention"),
            expected="at least 2 where layers slide",
        )
    return size // 2


def _mimo(config: Config) -> Plan:
    """MiMo-V2-Flash: sliding layers have twice the heads; values are narrower than keys."""
    return layered(
        _mimo_heads,
        full_at(lambda layer, layers: layer == 0 or not (layer + 1) % 6),
        kinds={"sliding_attention": _mimo_sliding},
    )(config)


def _mimo_heads(config: Config, times: int = 1) -> Heads:
    count = times * config.int("num_key_value_heads")
    k_dim, v_dim = declared_head_dim(config), config.int("v_head_dim")
    rows = {".k_proj.weight": count * k_dim, ".v_proj.weight": count * v_dim}
    return Heads(count=count, k_dim=k_dim, v_dim=v_dim, rows=rows)


def _mimo_sliding(config: Config) -> Kind:
    shape = _mimo_heads(config, times=2)
    older = config.stated("sliding_window_size")
    if older is None:
        return shape.within(config.int("sliding_window"))
    # The older key counts without the token itself.
    return shape.within(config.check_int("sliding_window_size", older) + 1)


def _without_drafts(config: Config) -> Config:
    """Step 3.5: a list of kinds that also names the drafting layers is cut to the others."""
    names = config.strings("layer_types")
    drafts = config.int("num_nextn_predict_layers", least=0)
    count = config.layers()
    if drafts and names is not None and len(names) == count + drafts:
        cut = Derived(list(names[:count]), "layer_types without the drafting layers")
        return config.overlaid({"layer_types": cut})
    return config


def _step(config: Config) -> Plan:
    """Step 3.5: full where no list says otherwise; sliding layers may have other query heads."""
    return layered(unfilled, all_full, per_layer=stated_per_layer("num_attention_heads"))(
        _without_drafts(config)
    )


def _unlimited_ocr(config: Config) -> Plan:
    """Unlimited OCR: the prompt whole, and a window over what was generated since."""
    if config.optional_int("sliding_window") is None:
        raise ConfigError(
            "is null, which its class does not accept",
            where=config.place("sliding_window"),
            expected="a window",
        )
    window = config.int("sliding_window")
    prompted = PromptAndWindow(window=window, heads=kv_heads(config), dim=split_head_dim(config))
    made = layered(
        grouped_split,
        lambda config, layers: ["reference_sliding_attention"] * layers,
        kinds={"reference_sliding_attention": lambda config: prompted},
    )(config)
    return Plan(
        kinds=made.kinds,
        notes=(
            "the tokens are taken as a prompt, which is kept whole; of what is generated after "
            f"it, the last {window - 1} tokens are kept",
        ),
    )


ROWS: dict[str, Row] = table(
    (
        "qwen2_5_omni_text qwen2_5_vl_text qwen2_vl_text qwen3",
        Row(layered(grouped, switched_from, window=window_if_used)),
    ),
    ("qwen2_moe", Row(layered(grouped, every_other_below, window=window_if_used))),
    ("qwen3_moe", Row(layered(grouped, window=window_if_used))),
    ("afmoe", Row(layered(grouped, one_full_in("global_attn_every_n_layers")))),
    ("beam", Row(layered(grouped, last_full(one_full_in(6))))),
    ("cohere2", Row(layered(grouped_stated, one_full_in("sliding_window_pattern")))),
    ("cohere2_moe", Row(layered(grouped_stated, sliding_prefix))),
    ("cwm", Row(layered(grouped, first_full(4)))),
    ("dots1", Row(layered(grouped_stated, window_from))),
    ("dory", Row(_dory)),
    ("exaone4", Row(layered(grouped, one_full_in("sliding_window_pattern")))),
    (
        "flint",
        Row(
            layered(
                unfilled,
                full_at(lambda layer, layers: layer < 2 or layer % 4 == 1 or layer == layers - 1),
            )
        ),
    ),
    ("gpt_oss", Row(layered(grouped, one_full_in(2)))),
    ("kolibri1", Row(layered(grouped, one_full_in(5)))),
    ("llama4_text", Row(layered(grouped, no_rope_chunked))),
    ("mimo_v2_flash", Row(_mimo)),
    ("ministral", Row(layered(grouped, all_sliding))),
    (
        "modernbert-decoder",
        Row(layered(multi_head, first_full("global_attn_every_n_layers"), window=_local_window)),
    ),
    ("muse_glimmer_text muse_spark_text", Row(layered(unfilled, full_from_the_end(4)))),
    ("olmo3", Row(layered(grouped, one_full_in(4)))),
    ("smollm3", Row(layered(grouped, no_rope_sliding))),
    ("step3p5", Row(_step)),
    ("unlimited_ocr_text", Row(_unlimited_ocr)),
)
