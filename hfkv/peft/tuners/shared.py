"""Methods whose layers share something: random projections, a bank of vectors, one vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hfkv.errors import TargetError
from hfkv.peft.tuners.rule import (
    ANY_LINEAR,
    BASE,
    CAST,
    Config,
    Knob,
    Part,
    Rule,
    Site,
    flag,
    integer,
    number,
)

__all__ = ["RULES"]


def _largest(sites: Sequence[Site]) -> tuple[int, int]:
    """Inputs and outputs that are enough for all layers."""
    return max(site.inputs for site in sites), max(site.outputs for site in sites)


def _buffer(name: str, shape: tuple[int, ...], *, saved: bool = True, dtype: str = CAST) -> Part:
    return Part(name=name, shape=shape, trained=False, parameter=False, saved=saved, dtype=dtype)


def _projection(name: str, shape: tuple[int, ...], config: Config) -> Part:
    return _buffer(name, shape, saved=bool(config["save_projection"]))


def _vera(config: Config, site: Site) -> Iterable[Part]:
    yield Part(name="vera_lambda_b", shape=(site.outputs,))
    yield Part(name="vera_lambda_d", shape=(int(config["r"]),))


def _vera_shared(config: Config, sites: Sequence[Site]) -> Iterable[Part]:
    (inputs, outputs), r = _largest(sites), int(config["r"])
    yield _projection("base_model.vera_A", (r, inputs), config)
    yield _projection("base_model.vera_B", (outputs, r), config)


def _pvera(config: Config, site: Site) -> Iterable[Part]:
    yield Part(name="pvera_lambda_b", shape=(site.outputs,))
    yield Part(name="pvera_lambda_d", shape=(2 * int(config["r"]),))


def _pvera_shared(config: Config, sites: Sequence[Site]) -> Iterable[Part]:
    (inputs, outputs), r = _largest(sites), int(config["r"])
    yield _projection("base_model.pvera_A", (2 * r, inputs), config)
    yield _projection("base_model.pvera_B", (outputs, r), config)


def _bases(config: Config, inputs: int, outputs: int) -> int:
    return -(-min(inputs, outputs) // int(config["r"]))


def _randlora(config: Config, site: Site) -> Iterable[Part]:
    r, count = int(config["r"]), _bases(config, site.inputs, site.outputs)
    yield Part(name="randlora_lambda", shape=(r, count))
    yield Part(name="randlora_gamma", shape=(count, min(site.inputs, site.outputs)))


def _randlora_shared(config: Config, sites: Sequence[Site]) -> Iterable[Part]:
    inputs, outputs = _largest(sites)
    r, count = int(config["r"]), _bases(config, inputs, outputs)
    # Each layer holds them as well, and PEFT writes them under each of these names.
    for start in ("base_model", *(f"base_model.model.{site.name}" for site in sites)):
        yield _projection(f"{start}.randlora_A", (r, 1, min(inputs, outputs)), config)
        yield _projection(f"{start}.randlora_B", (max(inputs, outputs), count, r), config)


def _vblora(config: Config, site: Site) -> Iterable[Part]:
    r, length, count, top = (
        int(config[name]) for name in ("r", "vector_length", "num_vectors", "topk")
    )
    for size in (site.inputs, site.outputs):
        if size % length:
            raise TargetError(
                f"VB-LoRA needs sizes divisible by vector_length ({length}), found {size}"
            )
    only = bool(config["save_only_topk_weights"])
    index = "U8" if count < 2**8 else "I16" if count < 2**15 else "I32"
    for name, sides in (
        ("vblora_logits_A", (r, site.inputs // length)),
        ("vblora_logits_B", (site.outputs // length, r)),
    ):
        yield Part(name=name, shape=(*sides, count), saved=not only)
        if only:
            yield _buffer(f"{name}_topk_indices", (*sides, top), dtype=index)
            yield _buffer(f"{name}_topk_weights", (*sides, top - 1))


def _vblora_shared(config: Config, _sites: Sequence[Site]) -> Iterable[Part]:
    shape = (int(config["num_vectors"]), int(config["vector_length"]))
    yield Part(name="base_model.vblora_vector_bank", shape=shape)


def _vblora_check(config: Config) -> None:
    if config["topk"] > config["num_vectors"]:
        raise TargetError("topk must be no more than num_vectors")


def _unilora(config: Config, site: Site) -> Iterable[Part]:
    r, saved = int(config["r"]), bool(config["save_indices"])
    for kind, dtype in (("indices", "I64"), ("scales", CAST)):
        for side, shape in (("A", (r, site.inputs)), ("B", (site.outputs, r))):
            yield _buffer(f"unilora_{kind}_{side}", shape, saved=saved, dtype=dtype)


def _unilora_shared(config: Config, _sites: Sequence[Site]) -> Iterable[Part]:
    yield Part(name="base_model.unilora_theta_d", shape=(int(config["theta_d_length"]),))


def _tinylora(config: Config, site: Site) -> Iterable[Part]:
    u, r = int(config["u"]), min(int(config["r"]), site.inputs, site.outputs)
    embedding = site.kind == "embedding"
    inputs, outputs = (site.outputs, site.inputs) if embedding else (site.inputs, site.outputs)
    yield _buffer("tinylora_A", (r, inputs))
    yield _buffer("tinylora_B", (outputs, r))
    yield _buffer("tinylora_P", (u, r, r), saved=bool(config["save_projection"]))


def _tinylora_shared(config: Config, sites: Sequence[Site]) -> Iterable[Part]:
    count = len(sites)
    # In floats, as PEFT rounds.
    groups = max(1, round(count * (1.0 - float(config["weight_tying"]))))
    size = max(1, count // groups)
    used = min((count - 1) // size, groups - 1) + 1
    for at in range(used):
        yield Part(name=f"base_model.tinylora_v.{at}", shape=(int(config["u"]),))


def _lily(config: Config, site: Site) -> Iterable[Part]:
    r, count = int(config["r"]), int(config["num_B"])
    group, at = config["places"][site.name]
    first = at // int(config["stride_A"])
    yield Part(name="lily_A.weight", shape=(r, site.inputs), key=("A", group, first))
    yield Part(name="lily_B.weight", shape=(count * r, site.outputs), key=("B", group))
    yield Part(name="lily_router.weight", shape=(count, r))


def _frod(config: Config, site: Site) -> Iterable[Part]:
    yield Part(name="frod_lambda_l", shape=(site.inputs,))
    yield Part(name="frod_lambda_s_values", shape=(_frod_size(config, site.inputs),))


def _frod_size(config: Config, size: int) -> int:
    rate = config["sparse_rate"]
    others = size * size - size
    # In floats, as PEFT multiplies.
    found = min(int(size * size * rate), others)
    return max(1, found) if rate > 0 and others else found


def _frod_shared(config: Config, sites: Sequence[Site]) -> Iterable[Part]:
    sizes: dict[str, int] = {}
    for site in sites:
        category = _category(site.name)
        if sizes.setdefault(category, site.inputs) != site.inputs:
            raise TargetError(
                f"FRoD shares one projection among layers '{category}' of other widths"
            )
    saved = bool(config["save_projection"])
    for category, size in sorted(sizes.items()):
        for name, shape, dtype in (
            ("V", (size, size), BASE),
            ("s_indices", (2, _frod_size(config, size)), "I64"),
            ("s_size", (2,), "I64"),
        ):
            yield _buffer(f"base_model.frod_{name}.{category}", shape, saved=saved, dtype=dtype)


def _category(name: str) -> str:
    """The layers that share a projection: those whose names end alike."""
    parts = name.split(".")
    if len(parts) == 1 or parts[-2].isdigit():
        return parts[-1]
    if parts[-3:] == ["attention", "output", "dense"]:
        return "attention_output"
    return f"{parts[-2]}_{parts[-1]}"


RULES = {
    "VERA": Rule(
        kinds=ANY_LINEAR,
        parts=_vera,
        shared=_vera_shared,
        reads={"r": integer(), "save_projection": flag},
        ignores="projection_prng_key vera_dropout d_initial init_weights",
        knob=Knob(name="r"),
    ),
    "PVERA": Rule(
        kinds=ANY_LINEAR,
        parts=_pvera,
        shared=_pvera_shared,
        reads={"r": integer(), "save_projection": flag},
        ignores="projection_prng_key pvera_dropout d_initial init_weights sample_at_inference "
        "generator_seed",
        knob=Knob(name="r"),
    ),
    "RANDLORA": Rule(
        kinds=ANY_LINEAR,
        parts=_randlora,
        shared=_randlora_shared,
        reads={"r": integer(), "save_projection": flag},
        ignores="projection_prng_key sparse very_sparse randlora_dropout randlora_alpha "
        "init_weights",
        # The smaller the projections, the more of them are combined.
        knob=Knob(name="r", scan=True),
    ),
    "VBLORA": Rule(
        kinds=ANY_LINEAR,
        parts=_vblora,
        shared=_vblora_shared,
        reads={
            "r": integer(),
            "num_vectors": integer(),
            "vector_length": integer(),
            "topk": integer(),
            "save_only_topk_weights": flag,
        },
        ignores="vblora_dropout init_vector_bank_bound init_logits_std",
        check=_vblora_check,
        knob=Knob(name="r"),
    ),
    "UNILORA": Rule(
        kinds=ANY_LINEAR,
        parts=_unilora,
        shared=_unilora_shared,
        reads={"r": integer(), "theta_d_length": integer(), "save_indices": flag},
        ignores="proj_seed unilora_dropout init_theta_d_bound init_weights",
        knob=Knob(name="theta_d_length"),
    ),
    "TINYLORA": Rule(
        kinds=ANY_LINEAR | frozenset(["embedding"]),
        parts=_tinylora,
        shared=_tinylora_shared,
        reads={
            "r": integer(),
            "u": integer(),
            "weight_tying": number(0, 1),
            "save_projection": flag,
        },
        ignores="projection_seed init_v_bound tinylora_dropout init_weights",
        knob=Knob(name="u"),
    ),
    "LILY": Rule(
        parts=_lily,
        reads={"r": integer(), "stride_A": integer(), "num_B": integer(2)},
        ignores="scaling init_weights",
        knob=Knob(name="r"),
    ),
    "FROD": Rule(
        kinds=ANY_LINEAR,
        parts=_frod,
        shared=_frod_shared,
        reads={"sparse_rate": number(0, 1), "save_projection": flag},
        ignores="projection_prng_key frod_dropout init_weights regularization_alpha progressbar "
        "runtime_offload_base_weight",
    ),
}
