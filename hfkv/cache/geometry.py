"""Heads and head sizes, as the attention classes of transformers read them from a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hfkv.cache.kinds import Cross, Full, Latent, Sliding
from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = [
    "Geometry",
    "Heads",
    "LatentWidths",
    "grouped",
    "grouped_by",
    "latent",
    "multi_head",
    "one_if",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The heads of one layer of attention.

    Attributes:
        count: key/value heads in the cache.
        k_dim, v_dim: elements of one head's key and value.
        rows: what the checkpoint must show for it: ending of a weight's name to its rows.
    """

    count: int
    k_dim: int
    v_dim: int
    rows: Mapping[str, int] = field(default_factory=dict)

    def full(self) -> Full:
        """Such a layer that attends to every token."""
        return Full(heads=self.count, k_dim=self.k_dim, v_dim=self.v_dim, rows=self.rows)

    def within(self, window: int, *, chunked: bool = False) -> Sliding:
        """Such a layer that attends to a window, or to a chunk."""
        return Sliding(
            window=window,
            heads=self.count,
            k_dim=self.k_dim,
            v_dim=self.v_dim,
            chunked=chunked,
            rows=self.rows,
        )

    def cross(self, *, alone: bool = False) -> Cross:
        """Such a layer that attends to an encoder's output."""
        return Cross(
            heads=self.count, k_dim=self.k_dim, v_dim=self.v_dim, alone=alone, rows=self.rows
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentWidths:
    """The widths of one layer of MLA.

    Attributes:
        rank, rotary: elements of the latent and of the rotary key.
        rows: as in :class:`Heads`.
    """

    rank: int
    rotary: int
    rows: Mapping[str, int]

    def full(self) -> Latent:
        """Such a layer that attends to every token."""
        return Latent(rank=self.rank, rotary=self.rotary, rows=self.rows)

    def within(self, window: int, *, chunked: bool = False) -> Latent:
        """Such a layer that attends to a window, or to a chunk."""
        return Latent(
            rank=self.rank, rotary=self.rotary, window=window, chunked=chunked, rows=self.rows
        )


#: Classes that rotate a part of each head unless told otherwise, a quarter at least: of heads of
#: fewer than eight elements it may be one, which rotation makes two.
_PARTLY_ROTATED = frozenset(
    "glm glm4 glm4_moe gpt_neox minimax_m2 nemotron persimmon phi stablelm".split()
)

#: A rule that reads the heads of a layer from a config.
Geometry = Callable[[Config], Heads]


def heads(config: Config) -> int:
    """Attention heads."""
    return config.int("num_attention_heads")


def kv_heads(config: Config, key: str = "num_key_value_heads") -> int:
    """Key/value heads: the key, or as many as attention heads where it is null or unset."""
    value = config.optional_int(key)
    return (
        int(config.derived(key, heads(config), "num_attention_heads")) if value is None else value
    )


def split_head_dim(config: Config, hidden: str = "hidden_size") -> int:
    """``hidden_size // num_attention_heads``, for classes that know no other head size."""
    size, count = config.int(hidden), heads(config)
    if size < count:
        raise ConfigError(
            f"found {size}",
            where=config.place(hidden),
            expected=f"at least num_attention_heads ({count})",
        )
    return int(config.derived("head_dim", size // count, f"{hidden} // num_attention_heads"))


def head_dim(config: Config, key: str = "head_dim") -> int:
    """Elements of one head: the key, or ``hidden_size // num_attention_heads``."""
    value = config.optional_int(key)
    return split_head_dim(config) if value is None else value


def stated_kv_heads(config: Config) -> int:
    """Key/value heads in a class that fills in nothing for a null."""
    return config.int("num_key_value_heads")


def declared_head_dim(config: Config) -> int:
    """Elements of one head in a class that divides only where neither it nor the file has the key.

    ``getattr(config, "head_dim", ...)`` of the attention classes: a null is then an error.
    """
    # Rotation in halves makes two elements of a head of one.
    declared = config.declares("head_dim")
    return config.int("head_dim", least=2) if declared else split_head_dim(config)


def head_dim_or_split(config: Config) -> int:
    """Elements of one head in a class that divides where the key is absent, null or 0."""
    given = config.get("head_dim")
    if given == 0 and not isinstance(given, bool):
        return split_head_dim(config)
    size = config.optional_int("head_dim", least=2)
    return split_head_dim(config) if size is None else size


def _split_projections(config: Config, count: int, dim: int) -> Heads:
    """Heads whose weights are separate projections, or one fused one, under the usual names.

    Raises:
        ConfigError: the class could not run: heads that do not share evenly, or a head so small
            that its rotary embedding, at least two wide, would widen the keys.
    """
    if heads(config) % count:
        raise ConfigError(
            f"found {count}",
            where=config.place("num_key_value_heads"),
            expected=f"a divisor of num_attention_heads ({heads(config)})",
        )
    least = 8 if config.model_type in _PARTLY_ROTATED else 2
    if dim < least:
        raise ConfigError(
            f"found {dim}",
            where=config.place("head_dim"),
            expected=f"heads of at least {least} elements",
        )
    return Heads(
        count=count,
        k_dim=dim,
        v_dim=dim,
        rows={
            ".k_proj.weight": count * dim,
            ".v_proj.weight": count * dim,
            ".qkv_proj.weight": (heads(config) + 2 * count) * dim,
        },
    )


def grouped_by(kv: Callable[[Config], int], dim: Callable[[Config], int]) -> Geometry:
    """Grouped-query attention whose number of heads and head size are read so."""

    def geometry(config: Config) -> Heads:
        return _split_projections(config, kv(config), dim(config))

    return geometry


#: Grouped-query attention: ``num_key_value_heads`` heads of ``head_dim``.
grouped = grouped_by(kv_heads, head_dim)
#: The same in a class that has no ``head_dim`` but takes one from the file.
grouped_stated = grouped_by(kv_heads, declared_head_dim)
#: The same in a class that ignores a ``head_dim`` of the file.
grouped_split = grouped_by(kv_heads, split_head_dim)
#: As ``grouped_stated``, in a class that fills in no missing heads.
unfilled = grouped_by(stated_kv_heads, declared_head_dim)


def multi_head(config: Config) -> Heads:
    """As many key/value heads as heads, of ``hidden_size // num_attention_heads``."""
    dim, count = split_head_dim(config), heads(config)
    fused = {".query_key_value.weight": 3 * count * dim}
    separate = _split_projections(config, count, dim)
    return Heads(count=count, k_dim=dim, v_dim=dim, rows={**separate.rows, **fused})


def mpt(config: Config) -> Heads:
    """MPT: all heads, whatever ``attn_type`` says, but it must be one that the class knows."""
    attention = config.nested("attn_config")
    kind = attention.get("attn_type")
    if kind not in (None, "multihead_attention", "multiquery_attention"):
        raise ConfigError(
            f"found {describe(kind)}",
            where=attention.place("attn_type"),
            expected="multihead_attention or multiquery_attention",
        )
    return multi_head(config)


def one_if(flag: str) -> Geometry:
    """Multi-query attention, one head, where ``flag`` is set; else multi-head."""

    def geometry(config: Config) -> Heads:
        dim = split_head_dim(config)
        return Heads(count=1 if config.bool(flag) else heads(config), k_dim=dim, v_dim=dim)

    return geometry


def falcon(config: Config) -> Heads:
    """Falcon: one head with ``multi_query``, else all of them.

    Falcon 40B's weights have 8 key/value heads, but its class repeats each for the heads that
    share it before it fills the cache (``modeling_falcon.py``, ``_split_heads``).
    """
    dim = split_head_dim(config)
    one = config.bool("multi_query") and not config.bool("new_decoder_architecture")
    if not one and not config.bool("new_decoder_architecture"):
        count = config.optional_int("num_kv_heads")
        if count not in (None, heads(config)):
            raise ConfigError(
                f"found {count}",
                where=config.place("num_kv_heads"),
                expected="as many as num_attention_heads without multi_query",
            )
    return Heads(count=1 if one else heads(config), k_dim=dim, v_dim=dim)


def repeated(shared: int, heads: int) -> tuple[str, ...]:
    """A note on a class that keeps each of ``shared`` heads once for every head that shares it."""
    if shared >= heads or heads % shared:
        return ()
    return (
        f"the class repeats its {shared} key/value heads to {heads} before it keeps them; an "
        f"engine that does not would hold 1/{heads // shared} of this",
    )


def latent(config: Config) -> LatentWidths:
    """MLA: ``kv_lora_rank`` elements of the latent and ``qk_rope_head_dim`` of the rotary key."""
    rank, rotary = config.int("kv_lora_rank"), config.int("qk_rope_head_dim")
    rows = {".kv_a_proj_with_mqa.weight": rank + rotary}
    return LatentWidths(rank=rank, rotary=rotary, rows=rows)
