"""Methods whose addition to a weight is a product of small matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hfkv.errors import TargetError
from hfkv.peft.matching import rank_of
from hfkv.peft.tuners.rule import (
    ANY_LINEAR,
    BASE,
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

_RANK = Knob(name="r")
_CONVOLVED = frozenset(["linear", "conv1d", "conv2d"])


def _rank(config: Config, site: Site) -> int:
    return int(rank_of(config["rank_pattern"], site.name, config["r"]))


def _loha(config: Config, site: Site) -> Iterable[Part]:
    r = _rank(config, site)
    out, into, kernel = _flat(config, site)
    for half in ("1", "2"):
        if kernel:
            yield Part(name=f"hada_t{half}", shape=(r, r, *kernel))
        sides = (r, out) if kernel else (out, r)
        yield Part(name=f"hada_w{half}_a", shape=sides)
        yield Part(name=f"hada_w{half}_b", shape=(r, into))


def _flat(config: Config, site: Site) -> tuple[int, int, tuple[int, ...]]:
    """Outputs, inputs, and the kernel that is kept apart: of a convolution it is among the inputs,
    unless ``use_effective_conv2d`` says otherwise."""
    into = site.inputs // site.groups
    if not site.kernel:
        return site.outputs, site.inputs, ()
    if config["use_effective_conv2d"] and set(site.kernel) != {1}:
        return site.outputs, into, (*site.kernel, 1)[:2]
    return site.outputs, into * math.prod(site.kernel), ()


def _factors(size: int, factor: int) -> tuple[int, int]:
    """Two factors of a size: ``factor`` where it divides it, else the two nearest to each other of
    which the smaller is no larger than ``factor``.

    >>> _factors(128, -1), _factors(128, 4), _factors(127, -1)
    ((8, 16), (4, 32), (1, 127))
    """
    if factor > 0 and size % factor == 0:
        return factor, size // factor
    most = math.isqrt(size) if factor == -1 else min(math.isqrt(size), factor)
    first = next((item for item in range(most, 0, -1) if size % item == 0), 1)
    return first, size // first


def _lokr(config: Config, site: Site) -> Iterable[Part]:
    r, factor = _rank(config, site), int(config["decompose_factor"])
    ins = _factors(site.inputs // site.groups, factor)
    outs = _factors(site.outputs, factor)
    if config["decompose_both"] and 2 * r < max(outs[0], ins[0]):
        yield Part(name="lokr_w1_a", shape=(outs[0], r))
        yield Part(name="lokr_w1_b", shape=(r, ins[0]))
    else:
        yield Part(name="lokr_w1", shape=(outs[0], ins[0]))
    if 2 * r >= max(outs[1], ins[1]):
        yield Part(name="lokr_w2", shape=(outs[1], ins[1], *site.kernel))
        return
    if site.kernel and config["use_effective_conv2d"] and set(site.kernel) != {1}:
        yield Part(name="lokr_t2", shape=(r, r, *(*site.kernel, 1)[:2]))
        yield Part(name="lokr_w2_a", shape=(r, outs[1]))
        yield Part(name="lokr_w2_b", shape=(r, ins[1]))
    else:
        yield Part(name="lokr_w2_a", shape=(outs[1], r))
        yield Part(name="lokr_w2_b", shape=(r, ins[1] * math.prod(site.kernel)))


def _hira(config: Config, site: Site) -> Iterable[Part]:
    r = int(config["r"])
    if site.groups > 1:
        raise TargetError("HiRA takes no convolution in groups")
    middle = "_embedding" if site.kind == "embedding" else ""
    ones = (1,) * len(site.kernel)
    yield Part(name=f"hira{middle}_A", shape=(r, site.inputs, *site.kernel))
    yield Part(name=f"hira{middle}_B", shape=(site.outputs, r, *ones))


def _delora(config: Config, site: Site) -> Iterable[Part]:
    r = _rank(config, site)
    yield Part(name="delora_A", shape=(r, site.inputs))
    yield Part(name="delora_B", shape=(site.outputs, r))
    yield Part(name="delora_lambda", shape=(1,))
    yield Part(name="delora_w_norm", shape=(site.inputs,), trained=False, parameter=False)


def _deft(config: Config, site: Site) -> Iterable[Part]:
    r = min(int(config["r"]), site.outputs)
    yield Part(name="deft_P", shape=(site.outputs, r))
    if not config["para"]:
        yield Part(name="deft_R", shape=(r, site.inputs))


def _gralora(config: Config, site: Site) -> Iterable[Part]:
    r, blocks, more = (int(config[name]) for name in ("r", "gralora_k", "hybrid_r"))
    for size in (site.inputs, site.outputs):
        if size % blocks:
            raise TargetError(
                f"GraLoRA needs sizes divisible by gralora_k ({blocks}), found {size}"
            )
    yield Part(name="gralora_A", shape=(blocks, site.inputs // blocks, r))
    yield Part(name="gralora_B", shape=(blocks, r, site.outputs // blocks))
    if more:
        yield Part(name="gralora_A_general.weight", shape=(more, site.inputs))
        yield Part(name="gralora_B_general.weight", shape=(site.outputs, more))


def _gralora_check(config: Config) -> None:
    if config["r"] % config["gralora_k"]:
        raise TargetError("r must be divisible by gralora_k")


def _miss(config: Config, site: Site) -> Iterable[Part]:
    r, start = int(config["r"]), config["init_weights"]
    if r > site.inputs:
        raise TargetError(f"r ({r}) must be no more than the inputs ({site.inputs})")
    shape: tuple[int, ...] = (r, site.outputs)
    if start == "bat":
        if site.inputs % r or site.outputs % r:
            raise TargetError(f"the start 'bat' needs sizes divisible by r ({r})")
        shape = (site.outputs // r, r, r)
    elif start == "mini":
        if site.outputs % int(config["mini_r"]):
            raise TargetError("the start 'mini' needs outputs divisible by mini_r")
        shape = (r, int(config["mini_r"]))
    yield Part(name="miss_block", shape=shape)


def _adalora(config: Config, site: Site) -> Iterable[Part]:
    r = int(config["init_r"])
    yield Part(name="lora_A", shape=(r, site.inputs * math.prod(site.kernel)))
    yield Part(name="lora_E", shape=(r, 1))
    yield Part(name="lora_B", shape=(site.outputs, r))
    # PEFT means to freeze it, and the cast to float32 sets it free.
    yield Part(name="ranknum", shape=(1,), trained=bool(config["half"]), saved=False)


def _adalora_check(config: Config) -> None:
    total = config["total_step"]
    if total is None:
        raise TargetError("AdaLoRA needs total_step")
    if config["tinit"] >= total - config["tfinal"]:
        raise TargetError("AdaLoRA needs tinit below total_step - tfinal")


def _poly(config: Config, site: Site) -> Iterable[Part]:
    tasks, skills, splits, r = (int(config[n]) for n in ("n_tasks", "n_skills", "n_splits", "r"))
    yield Part(name="poly_router.module_logits", shape=(tasks, splits * skills))
    yield Part(name="poly_lora_A", shape=(splits, skills, site.inputs // splits, r))
    yield Part(name="poly_lora_B", shape=(splits, skills, r, site.outputs // splits))


def _glora(config: Config, site: Site) -> Iterable[Part]:
    r, first = int(config["r"]), config["config_A_B"]
    out, into = site.outputs, site.inputs
    for name in ("glora_A", "glora_B"):
        yield from _path(name, first, (out, into), (out, 1), r)
    # What is of the bias is empty where there is none.
    own = config["config_C"] if site.bias else "none"
    yield from _path("glora_C", own, (into, 1), (into, 1), r)
    own = config["config_D_E"] if site.bias else "none"
    for name in ("glora_D", "glora_E"):
        yield from _path(name, own, (out,), (out,), r)


def _path(
    name: str, way: str, whole: tuple[int, ...], vector: tuple[int, ...], r: int
) -> Iterable[Part]:
    if way == "lora":
        yield Part(name=f"{name}.Xd", shape=(whole[0], r))
        yield Part(name=f"{name}.Xu", shape=(r, whole[1]))
    elif way == "vector":
        yield Part(name=f"{name}.X", shape=vector)
    elif way == "constant":
        yield Part(name=f"{name}.X", shape=(1,))
    else:
        # PEFT writes the zeros that stand in its place.
        yield Part(name=f"{name}.zeros", shape=whole, trained=False, parameter=False, dtype=BASE)


def _peanut(config: Config, site: Site) -> Iterable[Part]:
    r = int(config["r"])
    yield Part(name="peanut_A.weight", shape=(r, site.outputs))
    for side in ("encoders", "decoders"):
        for at in range(int(config["depth"])):
            yield Part(name=f"peanut_{side}.{at}.weight", shape=(r, r))
    yield Part(name="peanut_B.weight", shape=(site.outputs, r))


_LOW = {"r": integer()}
_RANKS = {"r": integer(), "rank_pattern": pattern(integer())}

RULES = {
    "LOHA": Rule(
        kinds=_CONVOLVED,
        parts=_loha,
        reads={**_RANKS, "use_effective_conv2d": flag},
        ignores="alpha alpha_pattern rank_dropout module_dropout init_weights",
        knob=_RANK,
    ),
    "LOKR": Rule(
        kinds=_CONVOLVED,
        parts=_lokr,
        reads={
            **_RANKS,
            "use_effective_conv2d": flag,
            "decompose_both": flag,
            "decompose_factor": integer(-1),
        },
        ignores="alpha alpha_pattern rank_dropout rank_dropout_scale module_dropout init_weights",
        knob=_RANK,
    ),
    "HIRA": Rule(
        kinds=ANY_LINEAR | frozenset(["embedding", "conv1d", "conv2d", "conv3d"]),
        parts=_hira,
        reads=_LOW,
        ignores="hira_dropout init_weights rank_pattern",
        idle="rank_pattern",
        knob=_RANK,
    ),
    "DELORA": Rule(
        parts=_delora,
        reads=_RANKS,
        ignores="delora_lambda lambda_pattern module_dropout init_weights",
        knob=_RANK,
    ),
    "DEFT": Rule(
        kinds=ANY_LINEAR,
        parts=_deft,
        reads={**_LOW, "para": flag, "decomposition_method": choice("qr", "relu")},
        ignores="init_scale alpha deft_dropout init_weights",
        knob=_RANK,
    ),
    "GRALORA": Rule(
        kinds=ANY_LINEAR,
        parts=_gralora,
        reads={**_LOW, "gralora_k": integer(), "hybrid_r": integer(0)},
        ignores="alpha gralora_dropout init_weights",
        check=_gralora_check,
        knob=Knob(name="r", step=2),
    ),
    "MISS": Rule(
        parts=_miss,
        reads={**_LOW, "mini_r": integer(), "init_weights": choice(True, False, "bat", "mini")},
        ignores="miss_dropout",
        knob=_RANK,
    ),
    "ADALORA": Rule(
        kinds=ANY_LINEAR | frozenset(["conv2d"]),
        parts=_adalora,
        reads={
            "init_r": integer(),
            "total_step": integer(none=True),
            "tinit": integer(0),
            "tfinal": integer(0),
        },
        ignores="r lora_alpha lora_dropout use_rslora init_lora_weights alpha_pattern "
        "megatron_core qalora_group_size runtime_config target_r deltaT beta1 beta2 "
        "orth_reg_weight eva_config corda_config lora_ga_config",
        check=_adalora_check,
        knob=Knob(name="init_r"),
        defaults={"total_step": 1000},
    ),
    "POLY": Rule(
        parts=_poly,
        reads={
            **_LOW,
            "n_tasks": integer(),
            "n_skills": integer(),
            "n_splits": integer(),
            "poly_type": choice("poly"),
        },
        ignores="init_weights",
        knob=_RANK,
    ),
    "GLORA": Rule(
        parts=_glora,
        reads={
            **_LOW,
            "config_A_B": choice("lora", "vector", "constant", "none"),
            "config_C": choice("lora", "vector", "none"),
            "config_D_E": choice("vector", "constant", "none"),
        },
        ignores="init_weights",
        knob=_RANK,
    ),
    "PEANUT": Rule(
        parts=_peanut,
        reads={**_LOW, "depth": integer(0)},
        ignores="act_fn scaling init_weights",
        knob=_RANK,
    ),
}
