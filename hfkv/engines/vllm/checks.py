"""Options and models that vLLM 0.33.0 refuses, and the table of what it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hfkv.data import read_json
from hfkv.engines.subject import Subject
from hfkv.engines.vllm.specs import Spec
from hfkv.errors import InputError, UnsupportedError
from hfkv.reading import printable

if TYPE_CHECKING:
    from hfkv.engines.vllm import Vllm

__all__ = ["checked_gpu", "context_parallel", "data", "latent_heads", "named_dtype", "sparse_types"]


@lru_cache(maxsize=1)
def data() -> Mapping[str, Any]:
    """The table of vLLM's own defaults and limits."""
    found: Mapping[str, Any] = read_json("engines", "vllm.json")
    return found


def checked_gpu(engine: Vllm, subject: Subject) -> Mapping[str, Any]:
    """The GPU's row, once options and architecture are ones that vLLM has."""
    gpus = data()["gpus"]
    if engine.gpu.lower() not in gpus:
        raise InputError(
            f"found {engine.gpu!r}", where="--gpu", expected="one of " + ", ".join(gpus)
        )
    for option, value in (
        ("--tensor-parallel-size", engine.tp),
        ("--pipeline-parallel-size", engine.pp),
        ("--decode-context-parallel-size", engine.dcp),
    ):
        if value < 1:
            raise InputError(f"found {value}", where=option, expected="at least 1")
    known = data()["architectures"]
    named = subject.architectures
    if not named:
        raise UnsupportedError(
            "the config names no architectures, by which vLLM chooses its class",
            where=f"{subject.model}: config.json: architectures",
        )
    if not any(name in known for name in named):
        raise UnsupportedError(
            f"vLLM {engine.version} has no class of its own for {printable(named[0])}",
            where=subject.model,
            hint="what it allocates where it runs transformers' class is not counted",
        )
    _check_shares(engine, subject)
    found: Mapping[str, Any] = gpus[engine.gpu.lower()]
    return found


def _check_shares(engine: Vllm, subject: Subject) -> None:
    """Refuse GPUs that heads, or the vision tower's inner size, are not shared among evenly."""
    where = f"{subject.model}: --tensor-parallel-size"
    heads = subject.text.peek("num_attention_heads")
    if isinstance(heads, int) and heads % engine.tp:
        raise InputError(
            f"{heads} attention heads on {engine.tp} GPUs",
            where=where,
            expected="a divisor of the attention heads",
        )
    if not set(subject.architectures) & set(data()["sharded_towers"]):
        return
    tower = subject.config.nested("vision_config")
    for key in ("num_heads", "intermediate_size"):
        size = tower.get(key)
        if isinstance(size, int) and size % engine.tp:
            raise InputError(
                f"a vision tower whose {key} is {size} on {engine.tp} GPUs",
                where=where,
                expected="a divisor of it",
            )


def named_dtype(asked: str, own: str, where: str) -> str:
    """An element type by vLLM's name; the model's own for ``auto``."""
    names = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "auto": own}
    if asked not in names:
        raise InputError(f"found {asked!r}", where=where, expected="one of " + ", ".join(names))
    return names[asked]


def latent_heads(subject: Subject) -> None:
    """Refuse heads of a latent that no prefill kernel has."""
    keys = ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    sizes = [subject.text.peek(key) for key in keys]
    if None in sizes or sizes in data()["latent_heads"]:
        return
    raise UnsupportedError(
        f"vLLM has no prefill kernel for heads of {', '.join(map(str, sizes))}",
        where=f"{subject.model}: config.json: {', '.join(keys)}",
        expected=" or ".join(", ".join(map(str, known)) for known in data()["latent_heads"]),
    )


def sparse_types(subject: Subject, word: str, size: int, capability: tuple[int, int]) -> None:
    """Refuse what no backend of latents with an indexer takes."""
    usual = size in (512, 576)
    hopper = ("auto", "bfloat16", "float16", *(("fp8", "fp8_ds_mla") if usual else ()))
    blackwell = ("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_ds_mla") if usual else ()
    taken = {9: hopper, 10: blackwell}.get(capability[0], ())
    if word not in taken:
        raise UnsupportedError(
            f"vLLM has no attention backend for a latent of {size} with an indexer in {word} on "
            "such a GPU",
            where=subject.model,
            expected=" or ".join(taken) or "a Hopper or Blackwell GPU",
        )


def context_parallel(engine: Vllm, subject: Subject, specs: Sequence[Spec]) -> None:
    if engine.dcp == 1:
        return
    where = f"{subject.model}: --decode-context-parallel-size"
    if engine.tp % engine.dcp:
        raise InputError(
            f"{engine.dcp} of {engine.tp} tensor-parallel GPUs", where=where, expected="a divisor"
        )
    if any(spec.family in ("sliding", "sliding mla", "chunked") for spec in specs):
        raise UnsupportedError("windows are not dealt among GPUs", where=where, expected="1")
    heads = subject.text.peek("num_key_value_heads")
    latent = any(spec.family == "mla" for spec in specs)
    if not latent and isinstance(heads, int) and engine.tp // max(heads, 1) < engine.dcp:
        raise InputError(
            f"{engine.dcp} GPUs for each copy of the {heads} key/value heads",
            where=where,
            expected=f"at most {max(engine.tp // max(heads, 1), 1)} with {engine.tp} GPUs",
        )
