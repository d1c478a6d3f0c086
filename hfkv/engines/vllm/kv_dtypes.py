"""The element type of vLLM's cache, and the block that the attention kernels want for it.

vLLM 0.33.0: ``config/cache.py``, ``utils/torch_utils.py``, ``platforms/cuda.py`` (which backend is
chosen), the backends' own sizes of blocks. Dense attention takes any multiple of 16 tokens in all
backends that are chosen by themselves, so that the choice among them makes no difference; for
latents it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfkv.dtypes import BITS
from hfkv.engines.subject import Subject
from hfkv.errors import InputError, UnsupportedError

__all__ = ["KvDtype", "dense_block", "kv_dtype", "latent_block", "model_dtype", "width"]

#: vLLM's names of element types that are not packed, to ours.
_PLAIN = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "half": "F16", "float": "F32"}
_FP8 = ("fp8", "fp8_e4m3", "fp8_e5m2")
_PER_HEAD = {"int8_per_token_head": 8, "fp8_per_token_head": 8, "int4_per_token_head": 4}
#: Words that vLLM has and that are not counted here.
_UNREAD = (
    "fp8_inc octave_k3v4 octave_k3v3 octave_k3v3_compact ultraquant_4bit nvfp4 nvfp4_4over6 "
    "nvfp4_ds_mla"
).split()
#: Bits of an element of a key (8 is fp8, without a norm beside it) and of a value.
_TURBO = {
    "turboquant_k8v4": (8, 4),
    "turboquant_4bit_nc": (4, 4),
    "turboquant_k3v4_nc": (3, 4),
    "turboquant_3bit_nc": (3, 3),
}
#: What hfkv's own --kv-dtype calls them.
_SHORT = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "int8": "int8_per_token_head"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KvDtype:
    """What ``--kv-cache-dtype`` came to.

    Attributes:
        word: vLLM's word after all defaults; ``auto`` is the model's own.
        element: safetensors name of one element.
        scale: bytes of the scale that each head has for each token, for keys and for values.
        note: how it came about, where the user did not say it.
    """

    word: str
    element: str
    scale: int = 0
    note: str = ""

    @property
    def is_fp8(self) -> bool:
        """Whether it is 8 bits with one scale for the tensor."""
        return self.word in _FP8

    @property
    def is_turbo(self) -> bool:
        """Whether keys and values of a head are packed into one slot (TurboQuant)."""
        return self.word in _TURBO

    def row(self, k: int, v: int) -> int:
        """Bytes of one token's key and value in one head."""
        if self.is_turbo:
            key, value = _TURBO[self.word]
            # A norm of 2 bytes beside a packed key, scale and zero of 2 beside a value.
            packed = k if key == 8 else -(-k * key // 8) + 2
            packed += -(-k * value // 8) + 4
            return packed + packed % 2
        bits = BITS[self.element]
        if self.word == "int4_per_token_head":
            return k // 2 + v // 2 + 2 * self.scale
        return (k + v) * bits // 8 + 2 * self.scale


def width(element: str) -> int:
    """Bytes of an element of a whole number of them."""
    return BITS[element] // 8


def model_dtype(subject: Subject, asked: str, where: str = "--dtype") -> str:
    """The model's dtype as vLLM loads it: what the file says, but float32 becomes bfloat16."""
    if asked != "auto":
        short = {"bf16": "BF16", "fp16": "F16", "fp32": "F32"}
        found = _PLAIN.get(asked, short.get(asked, ""))
        if not found:
            raise InputError(
                f"found {asked!r}", where=where, expected="auto, bfloat16, float16 or float32"
            )
        return found
    own = _stated_dtype(subject)
    if own == "F16" and subject.config.model_type in ("gemma2", "gemma3", "gemma3_text", "glm4"):
        return "BF16"
    return "BF16" if own in ("F32", "F64") else own


def _stated_dtype(subject: Subject) -> str:
    """What the file says: at the top, in the text's part, then the checkpoint; else float32."""
    for part in (subject.config, subject.text):
        for key in ("dtype", "torch_dtype"):
            said = part.peek(key)
            name = said.removeprefix("torch.") if isinstance(said, str) else ""
            if name in _PLAIN:
                return _PLAIN[name]
    try:
        return subject.dtype
    except UnsupportedError:
        return "F32"


def kv_dtype(subject: Subject, asked: str, own: str, capability: tuple[int, int]) -> KvDtype:
    """What the cache is stored in.

    Raises:
        InputError: vLLM has no such type.
        UnsupportedError: it has, and it is not counted here, or it refuses it for this model.
    """
    word = _SHORT.get(asked, asked)
    if word in _UNREAD:
        raise UnsupportedError(
            f"--kv-cache-dtype {word}",
            where=subject.model,
            expected="auto, bfloat16, float16, fp8 or a type of 8 or 4 bits per token and head",
            hint="how vLLM packs it is not counted here",
        )
    known = (*_PLAIN, *_FP8, *_PER_HEAD, *_TURBO, "fp8_ds_mla", "auto")
    if word not in known:
        raise InputError(
            f"found {asked!r}",
            where="--kv-cache-dtype",
            expected="one that vLLM has: auto, bfloat16, float16, "
            + ", ".join((*_FP8, *_PER_HEAD)),
        )
    note = ""
    if word == "auto":
        word, note = _of_checkpoint(subject)
    if word == "auto" and "GlmMoeDsaForCausalLM" in subject.architectures and capability[0] == 10:
        word, note = "fp8_e4m3", "vLLM stores this architecture's cache in fp8 on such a GPU"
    if word in _PER_HEAD:
        element = "I8" if word.startswith("int8") else "U8"
        return KvDtype(word=word, element=element, scale=4, note=note)
    if word in _FP8 or word in _TURBO or word == "fp8_ds_mla":
        return KvDtype(word=word, element="U8", note=note)
    return KvDtype(word=word, element=_PLAIN.get(word, own), note=note)


def _of_checkpoint(subject: Subject) -> tuple[str, str]:
    """What the checkpoint's quantization says of the cache; ``auto`` where it says nothing.

    fp8 weights alone do not make an fp8 cache.
    """
    found, place = subject.config.peek("quantization_config"), "config.json: quantization_config"
    if not isinstance(found, Mapping):
        inner = subject.text.peek("quantization_config")
        if isinstance(inner, Mapping):
            found, place = inner, f"config.json: {subject.text.path}quantization_config"
    if not isinstance(found, Mapping):
        found, place = subject.facts.extra.get("hf_quant_config.json"), "hf_quant_config.json"
        if not isinstance(found, Mapping):
            return "auto", ""
        found = {"quant_method": "modelopt", **found}
    method = found.get("quant_method")
    if not (isinstance(method, str) and method.startswith("modelopt")):
        if isinstance(found.get("kv_cache_scheme"), Mapping):
            return "fp8", f"the cache is fp8 by {place}.kv_cache_scheme"
        return "auto", ""
    quantization = found.get("quantization")
    inner = quantization if isinstance(quantization, Mapping) else found
    said = next(
        (
            (part[key], key)
            for key in ("kv_cache_scheme", "kv_cache_quant_algo")
            for part in (inner, found)
            if part.get(key)
        ),
        None,
    )
    if said is None:
        return "auto", ""
    scheme, key = said
    if isinstance(scheme, Mapping):
        kind = (scheme.get("type"), scheme.get("num_bits"))
        scheme = "fp8" if kind == ("float", 8) and scheme.get("dynamic") is False else kind
        scheme = "nvfp4" if kind == ("float", 4) else scheme
    word = scheme.lower() if isinstance(scheme, str) else ""
    if word == "fp8":
        return "fp8_e4m3", f"the cache is fp8 by {place}.{key}"
    if word == "nvfp4":
        raise UnsupportedError(
            "a cache in nvfp4",
            where=f"{subject.model}: {place}.{key}",
            expected="fp8 or none",
            hint="give another type with --kv-cache-dtype",
        )
    return "auto", f"vLLM does not know the {key} of {place} and stores the model's own type"


def dense_block(word: str, head: int, capability: tuple[int, int]) -> int:
    """The size of block that the kernels of dense attention want to begin with."""
    # FlashAttention 4 reads an fp8 cache of large heads on Hopper in pages of 64 tokens.
    if word.startswith("fp8") and capability[0] == 9 and head > 256:
        return 64
    return 16


def latent_block(
    word: str, rank: int, nope: int | None, capability: tuple[int, int], *, model: str
) -> int:
    """The size of block for latents without an indexer, by the first backend that takes them.

    Raises:
        UnsupportedError: none takes them.
    """
    if word in ("fp8_ds_mla", "fp8_e5m2", *_PER_HEAD, *_TURBO):
        raise UnsupportedError(
            f"vLLM has no attention backend for a latent of {rank} in {word}",
            where=model,
            expected="auto, bfloat16, fp8 or fp8_e4m3",
        )
    fp8 = word in _FP8
    usual = rank in (320, 512, 576)
    if capability[0] == 10:
        if usual and nope in (64, 128, 192):
            return 32
        return 64 if usual else 16
    if capability[0] == 9:
        if rank == 576 and not fp8:
            return 16
        return 64 if usual else 16
    return 16
