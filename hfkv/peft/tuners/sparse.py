"""Methods that train some entries of a weight, or of its transform."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hfkv.errors import TargetError
from hfkv.peft.matching import compiled, rank_of
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
    number,
    pattern,
)

__all__ = ["RULES"]


def _by_ending(config: Config, field: str, site: Site) -> int:
    """A size of its own for the first pattern that ends a module's name, after a dot."""
    for expression, own in config[f"{field}_pattern"].items():
        if compiled(rf".*\.{expression}$", f"{field}_pattern").match(site.name):
            return int(own)
    return int(config[f"{field}_pattern"].get(site.name, config[field]))


def _spectrum(name: str, count: int, site: Site) -> Part:
    if count > site.inputs * site.outputs:
        raise TargetError(
            f"n_frequency ({count}) must be no more than the {site.inputs * site.outputs} entries "
            "of the weight"
        )
    return Part(name=name, shape=(count,))


def _fourierft(config: Config, site: Site) -> Iterable[Part]:
    yield _spectrum("fourierft_spectrum", _by_ending(config, "n_frequency", site), site)


def _waveft(config: Config, site: Site) -> Iterable[Part]:
    count = config["proportional"].get(site.name)
    if count is None:
        count = rank_of(config["n_frequency_pattern"], site.name, int(config["n_frequency"]))
    yield _spectrum("waveft_spectrum", count, site)


def _shira(config: Config, site: Site) -> Iterable[Part]:
    count = int(config["r"]) * (site.inputs + site.outputs)
    if count > site.inputs * site.outputs:
        raise TargetError(f"rank {config['r']} makes more parameters than the layer has")
    yield Part(name="shira_weight", shape=(count,))
    yield Part(name="shira_indices", shape=(2, count), trained=False, parameter=False, dtype="I32")


def _c3a(config: Config, site: Site) -> Iterable[Part]:
    block = _by_ending(config, "block_size", site)
    for size in (site.inputs, site.outputs):
        if size % block:
            raise TargetError(f"C3A needs sizes divisible by block_size ({block}), found {size}")
    yield Part(name="c3a_kernel", shape=(site.outputs // block, site.inputs // block, block))


def _supertuning(config: Config, site: Site) -> Iterable[Part]:
    # In floats, as PEFT multiplies.
    count = int(site.inputs * site.outputs * (1 - config["sparsity"]))
    if count < 1:
        raise TargetError("the sparsity leaves no entry to train")
    saved = bool(config["save_precomputed_indices"])
    yield Part(name="supertuning_values", shape=(count,), dtype="F32")
    yield Part(
        name="supertuning_indices",
        shape=(count,),
        trained=False,
        parameter=False,
        saved=saved,
        dtype="I32",
    )
    r = config["r"]
    if r is not None:
        yield Part(name="supertuning_lora_A.weight", shape=(r, site.inputs), dtype="F32")
        yield Part(name="supertuning_lora_B.weight", shape=(site.outputs, r), dtype="F32")


def _alpha(name: str, value: Any) -> Any:
    return None if value is None else number(0, 1e9)(name, value)


def _supertuning_check(config: Config) -> None:
    if config["sparsity"] >= 1:
        raise TargetError("sparsity must be below 1")
    if config["r"] is None and config["lora_alpha"] is not None:
        raise TargetError("lora_alpha needs r")


RULES = {
    "FOURIERFT": Rule(
        kinds=ANY_LINEAR,
        parts=_fourierft,
        reads={"n_frequency": integer(), "n_frequency_pattern": pattern(integer())},
        ignores="scaling random_loc_seed init_weights",
        knob=Knob(name="n_frequency"),
    ),
    "WAVEFT": Rule(
        kinds=ANY_LINEAR,
        parts=_waveft,
        reads={
            "n_frequency": integer(),
            "n_frequency_pattern": pattern(integer()),
            "proportional_parameters": flag,
        },
        ignores="scaling wavelet_family use_idwt random_loc_seed init_weights",
        knob=Knob(name="n_frequency"),
    ),
    "SHIRA": Rule(
        parts=_shira,
        reads={"r": integer(), "mask_type": choice("random")},
        ignores="random_seed init_weights",
        knob=Knob(name="r"),
    ),
    "C3A": Rule(
        parts=_c3a,
        reads={"block_size": integer(), "block_size_pattern": pattern(integer())},
        ignores="init_weights",
        knob=Knob(name="block_size", divisors=True),
    ),
    "SUPERTUNING": Rule(
        parts=_supertuning,
        reads={
            "sparsity": number(0, 1),
            "r": integer(none=True),
            "lora_alpha": _alpha,
            "save_precomputed_indices": flag,
        },
        ignores="select_top lora_dropout init_weights",
        check=_supertuning_check,
    ),
}
