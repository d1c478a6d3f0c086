"""The cache of an architecture that nobody knows here, read off the checkpoint's own shapes.

Only what the shapes leave no doubt of: one stack of numbered layers, each with the same unpacked
projections of keys and values, and a config that hints at nothing else. What a class then does with
them (a window, sharing, repeating heads) no header shows, so the figure is ``inferred`` and says
from what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfkv.cache.kinds import Full, Kind, Latent
from hfkv.cache.plan import Plan
from hfkv.cache.remote_attention import nothing_else
from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import printable
from hfkv.tensors import TensorTable
from hfkv.versions import unknown

__all__ = ["infer"]

#: Parts of names that mark a tower beside the text decoder, or layers that only draft tokens.
_ASIDE = re.compile(
    r"(^|[._])(vision|visual|vit|audio|image|speech|encoder|mtp|draft|talker|clip|siglip|resampler"
    r"|projector|perceiver|q_?former|tower)",
    re.IGNORECASE,
)
#: Names of what keeps a state of another form in a layer.
_STATES = re.compile(
    r"(^|\.)(A_log|conv1d|x_proj|dt_proj|time_mix\w*|ssm|mamba|indexer|compressor|g_proj|beta|fgate"
    r"|cross_attn|encoder_attn|crossattention)(\.|$)"
)
_KEYS = re.compile(r"\.(k_proj|key_proj|wk|key|k)\.weight$")
_VALUES = re.compile(r"\.(v_proj|value_proj|wv|value|v)\.weight$")
_FUSED = re.compile(r"\.(qkv_proj|qkv|query_key_value|Wqkv|wqkv|c_attn|W_pack|att_proj)\.weight$")
_OUTPUT = re.compile(r"\.(o_proj|out_proj|dense|wo|c_proj|attn_out)\.weight$")
_LATENT = re.compile(r"\.kv_a_proj_with_mqa\.weight$")
_ATTENTION = re.compile(
    r"(^|\.)(self_attn|attn|attention|self_attention|att|mixer)\.[^.]+\.weight$"
)
_UNPACKED = {"BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Projection:
    """One like-named weight of all layers: its pattern, shape, and the layers that have it."""

    pattern: str
    shape: tuple[int, ...]
    layers: frozenset[int]


def infer(config: Config, tensors: TensorTable, *, where: str) -> Plan:
    """The plan that a header shows.

    Raises:
        UnsupportedError: it leaves a doubt; the message says which.
    """
    for part in _parts(config):
        nothing_else(part, known=("kv_lora_rank",))
    if config.peek("new_decoder_architecture"):
        # Falcon's, and of what was made after it: keys and values are kept for every query head.
        raise _doubt(where, "its heads may be repeated (new_decoder_architecture)")
    stack = _stack(tensors, where)
    layers = frozenset().union(*(item.layers for item in stack))
    count = _count(config, layers, where)
    if any(item.layers != layers for item in stack):
        uneven = next(item for item in stack if item.layers != layers)
        raise _doubt(where, f"only some layers have {printable(uneven.pattern)}")
    keys = _matching(stack, _KEYS)
    values = _matching(stack, _VALUES)
    fused = _matching(stack, _FUSED)
    latent = _matching(stack, _LATENT)
    kind: Kind
    if len(keys) == len(values) == 1 and not fused and not latent:
        kind = Full(heads=1, k_dim=keys[0].shape[0], v_dim=values[0].shape[0])
        seen = f"{_leaf(keys[0])} and {_leaf(values[0])} of {keys[0].shape[0]} and " + (
            f"{values[0].shape[0]} rows"
        )
    elif len(latent) == 1 and not keys and not values and not fused:
        kind = Latent(rank=latent[0].shape[0], rotary=None)
        seen = f"{_leaf(latent[0])} of {latent[0].shape[0]} rows, kept as it comes out"
    elif len(fused) == 1 and not keys and not values and not latent:
        size = _fused_size(stack, fused[0], where)
        kind = Full(heads=1, k_dim=size, v_dim=size)
        seen = (
            f"{_leaf(fused[0])} of {fused[0].shape[0]} rows beside an output of the queries' size"
        )
    else:
        raise _doubt(where, "no one pair of key and value projections in its attention layers")
    known = unknown(config.model_type, config.peek("transformers_version"))
    note = (
        f"hfkv has no rule for this architecture ({known}): read off the checkpoint, where "
        f"each of {count} layers has {seen}; a class that keeps less (a window, shared layers) or "
        "more (repeated heads) is not seen in shapes"
    )
    return Plan(kinds=[kind] * count, notes=(note,))


def _parts(config: Config) -> Iterator[Config]:
    """The config and those inside it that may be the decoder's: a window may stand there."""
    yield config
    for key in config.keys:
        value = config.peek(key)
        if isinstance(value, Mapping) and key.endswith("config") and not _ASIDE.search(key):
            yield Config(value, where=f"{config.where}: {key}", model_type="")


def _stack(tensors: TensorTable, where: str) -> list[_Projection]:
    """The attention weights of the one stack of layers there is."""
    found = []
    for pattern, dtype, shape, indices in tensors.patterns():
        if _ASIDE.search(pattern):
            continue
        if _STATES.search(pattern):
            raise _doubt(where, f"it has layers with {printable(pattern)}")
        if pattern.count("{}") != 1 or not _ATTENTION.search(pattern) or len(shape) != 2:
            continue
        if dtype not in _UNPACKED:
            raise _doubt(where, f"{printable(pattern)} is packed as {printable(dtype)}")
        found.append(
            _Projection(
                pattern=pattern, shape=shape, layers=frozenset(index for (index,) in indices)
            )
        )
    if not found:
        raise _doubt(where, "no attention weights in numbered layers")
    stems = {item.pattern.split("{}")[0] for item in found}
    if len(stems) > 1:
        raise _doubt(where, "several stacks of layers: " + ", ".join(map(printable, sorted(stems))))
    return found


def _count(config: Config, layers: frozenset[int], where: str) -> int:
    """How many layers there are: all numbers from 0 on, as many as the config says."""
    count = len(layers)
    if layers != frozenset(range(count)):
        raise _doubt(where, "layers without attention weights between others")
    said: Mapping[str, object] = {
        key: config.stated(key)
        for key in ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
        if config.peek(key) is not None
    }
    drafting = config.optional_int("num_nextn_predict_layers", least=0) or 0
    for key, value in said.items():
        # Layers that predict further tokens stand behind the others, under their names.
        if value not in (count, count - drafting):
            raise _doubt(where, f"{count} layers have attention weights, but {key} is {value!r}")
    return config.layers(next(iter(said))) if said else count


def _fused_size(stack: list[_Projection], fused: _Projection, where: str) -> int:
    """Elements of all keys of a token: what the fused rows have beyond the queries, halved."""
    outputs = _matching(stack, _OUTPUT)
    if len(outputs) != 1:
        raise _doubt(where, f"no output projection to tell the queries in {_leaf(fused)} by")
    rest = fused.shape[0] - outputs[0].shape[1]
    if rest <= 0 or rest % 2 or outputs[0].shape[1] % (rest // 2):
        raise _doubt(where, f"{_leaf(fused)} has {fused.shape[0]} rows, which do not divide")
    return rest // 2


def _matching(stack: list[_Projection], name: re.Pattern[str]) -> list[_Projection]:
    return [item for item in stack if name.search(item.pattern)]


def _leaf(item: _Projection) -> str:
    return printable(".".join(item.pattern.split(".")[-2:-1]))


def _doubt(where: str, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"the architecture is not known here, and its shapes do not tell its cache: {reason}",
        where=where,
        hint="hfkv kv --basis live asks the installed transformers",
    )
