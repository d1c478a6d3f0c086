"""Methods that turn or scale a weight: rotations, reflections, vectors, singular parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hfkv.errors import TargetError, UnsupportedError
from hfkv.peft.matching import compiled
from hfkv.peft.tuners.rule import (
    ANY_LINEAR,
    Config,
    Knob,
    Part,
    Rule,
    Site,
    choice,
    flag,
    integer,
    pattern,
)

__all__ = ["RULES"]

_IMAGES = frozenset(["linear", "conv2d"])


def _oft(config: Config, site: Site) -> Iterable[Part]:
    embedding = site.kind == "embedding"
    size = site.outputs if embedding else site.inputs
    r, block = int(config["r"]), int(config["oft_block_size"])
    if r == 0:
        block = _near(size, block)
        r = size // block
    else:
        r = _near(size, r)
        block = size // r
    yield Part(
        name="oft_embedding_R.weight" if embedding else "oft_R.weight",
        shape=(1 if config["block_share"] else r, block * (block - 1) // 2),
    )


def _near(size: int, wanted: int) -> int:
    """The divisor of a size that is nearest to the one wanted; of two the smaller."""
    if wanted >= size:
        return size
    above = next(item for item in range(wanted, size + 1) if size % item == 0)
    below = next(item for item in range(wanted, 0, -1) if size % item == 0)
    return below if wanted - below <= above - wanted else above


def _oft_check(config: Config) -> None:
    if (config["r"] == 0) == (config["oft_block_size"] == 0):
        raise TargetError("exactly one of r and oft_block_size must be other than 0")


def _boft(config: Config, site: Site) -> Iterable[Part]:
    size = site.inputs
    if site.kernel:
        if site.groups > 1:
            raise TargetError("BOFT takes no convolution in groups")
        size *= site.kernel[0] ** 2
    block, count = int(config["boft_block_size"]), int(config["boft_block_num"])
    given = block or count
    if size % given:
        raise TargetError(f"BOFT needs sizes divisible by its blocks ({given}), found {size}")
    block, count = (block, size // block) if block else (size // count, count)
    yield Part(name="boft_R", shape=(1, count, block, block))
    yield Part(name="boft_s", shape=(1, site.outputs) if site.kernel else (site.outputs, 1))


def _boft_check(config: Config) -> None:
    factor = config["boft_n_butterfly_factor"]
    if factor != 1:
        raise UnsupportedError(
            f"boft_n_butterfly_factor is {factor}: PEFT takes it only where its CUDA kernel can be "
            "built, and 1 elsewhere, so that the count depends on the machine",
            where="BOFTConfig",
        )
    if (config["boft_block_size"] == 0) == (config["boft_block_num"] == 0):
        raise TargetError("exactly one of boft_block_size and boft_block_num must be other than 0")


def _hra(config: Config, site: Site) -> Iterable[Part]:
    if site.groups > 1:
        raise TargetError("HRA takes no convolution in groups")
    size = site.inputs * (site.kernel[0] ** 2 if site.kernel else 1)
    yield Part(name="hra_u", shape=(size, int(config["r"])))


def _psoft(config: Config, site: Site) -> Iterable[Part]:
    r = int(config["r"])
    if r > min(site.inputs, site.outputs):
        raise TargetError(f"r ({r}) must be no more than the smaller side of the layer")
    shape = (r * (r - 1) // 2,) if config["psoft_orth"] else (r, r)
    yield Part(name="psoft_R.weight", shape=shape)
    for name in ("b", "a"):
        if config[f"psoft_mag_{name}"]:
            yield Part(name=f"psoft_R.vector_{name}", shape=(r,))


def _road(config: Config, site: Site) -> Iterable[Part]:
    group = int(config["group_size"])
    if site.outputs % group:
        raise TargetError(
            f"RoAd needs outputs divisible by group_size ({group}), found {site.outputs}"
        )
    times = {"road_1": 1, "road_2": 2, "road_4": 4}[config["variant"]]
    for name in ("road_theta", "road_alpha"):
        yield Part(name=name, shape=(site.outputs * times // 2,))


def _road_check(config: Config) -> None:
    if config["group_size"] % 2:
        raise TargetError("group_size must be even")


def _osf(config: Config, site: Site) -> Iterable[Part]:
    smaller = min(site.inputs, site.outputs)
    asked = config["effective_rank"]
    ranks: Mapping[str, Any] = config["rank_pattern"]
    for expression, own in ranks.items():
        if compiled(expression, "rank_pattern").search(site.name):
            asked = own
            break
    if asked is None:
        kept = smaller // 2
    elif isinstance(asked, float) and 0 < asked <= 1:
        kept = int(smaller * asked)
    else:
        kept = min(smaller, int(asked))
    if kept <= 0:
        raise TargetError("effective_rank leaves a layer without any")
    # The greatest singular values stay as they are, and the others are trained.
    rank = smaller - kept
    yield Part(name="osf_svd_params.U_low", shape=(site.outputs, rank))
    yield Part(name="osf_svd_params.S_low", shape=(rank,))
    yield Part(name="osf_svd_params.V_low", shape=(rank, site.inputs))


def _osf_rank(name: str, value: Any) -> Any:
    if isinstance(value, float) and 0 < value <= 1:
        return value
    return integer(none=True)(name, value)


def _ia3(config: Config, site: Site) -> Iterable[Part]:
    forward = config["feedforward_modules"] or ()
    if isinstance(forward, str):
        inner = compiled(forward, "feedforward_modules").fullmatch(site.name) is not None
    else:
        inner = site.name.endswith(tuple(forward))
    size = site.inputs if inner else site.outputs
    shape = (1, size) if inner else (size, 1)
    yield Part(name="ia3_l", shape=(1, size, *(1,) * len(site.kernel)) if site.kernel else shape)


def _beft(_config: Config, site: Site) -> Iterable[Part]:
    yield Part(name="beft_bias", shape=(1, site.outputs))


RULES = {
    "OFT": Rule(
        kinds=frozenset(["linear", "embedding"]),
        unsupported=frozenset(["conv2d"]),
        parts=_oft,
        reads={"r": integer(0), "oft_block_size": integer(0), "block_share": flag},
        ignores="module_dropout init_weights coft eps use_cayley_neumann num_cayley_neumann_terms",
        check=_oft_check,
        knob=Knob(name="oft_block_size", least=2, off="r"),
    ),
    "BOFT": Rule(
        kinds=_IMAGES,
        parts=_boft,
        reads={
            "boft_block_size": integer(0),
            "boft_block_num": integer(0),
            "boft_n_butterfly_factor": integer(),
        },
        ignores="boft_dropout init_weights",
        check=_boft_check,
        knob=Knob(name="boft_block_size", divisors=True, off="boft_block_num"),
    ),
    "HRA": Rule(
        kinds=_IMAGES,
        parts=_hra,
        reads={"r": integer()},
        ignores="apply_GS init_weights",
        knob=Knob(name="r"),
    ),
    "PSOFT": Rule(
        parts=_psoft,
        reads={"r": integer(), "psoft_orth": flag, "psoft_mag_a": flag, "psoft_mag_b": flag},
        ignores="psoft_alpha psoft_dropout ab_svd_init psoft_svd psoft_svd_lowrank_niter "
        "random_seed use_cayley_neumann num_cayley_neumann_terms cayley_neumann_eps init_weights",
        knob=Knob(name="r", least=2),
    ),
    "ROAD": Rule(
        parts=_road,
        reads={"variant": choice("road_1", "road_2", "road_4"), "group_size": integer()},
        ignores="init_weights",
        check=_road_check,
    ),
    "OSF": Rule(
        parts=_osf,
        reads={"effective_rank": _osf_rank, "rank_pattern": pattern(_osf_rank)},
        ignores="init_weights target_svd_config",
        passes=True,
        knob=Knob(name="effective_rank", falling=True),
    ),
    "IA3": Rule(
        kinds=ANY_LINEAR | frozenset(["conv2d", "conv3d"]),
        parts=_ia3,
        ignores="init_ia3_weights",
    ),
    "BEFT": Rule(parts=_beft, ignores="init_weights"),
}
