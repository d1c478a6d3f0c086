"""Reading what an engine says of its cache when it starts: vLLM, SGLang, llama.cpp.

A log is text from elsewhere: it is bounded, decoded without failing, and only sentences of known
form are taken from it, with the numbers as they were printed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.errors import ConfigError
from hfkv.reading import printable

__all__ = ["MOST_BYTES", "EngineLog", "Said", "llama_parts", "parse_log"]

#: A start-up takes some hundred lines; a log of days is cut to its start by the user, not by us.
MOST_BYTES = 32 * 2**20
_LONGEST_LINE = 64 * 1024
_MOST_SENTENCES = 500
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence of the log.

    Attributes:
        what: which sentence, in hfkv's words.
        values: its numbers and words as printed, by name.
        line: where it stands, from 1.
        text: the sentence.
    """

    what: str
    values: Mapping[str, str]
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLog:
    """What an engine said.

    Attributes:
        engine: its name as ``--engine`` takes it.
        version: as it says itself; "" where it does not.
        model: the model it loaded, as it says itself; "" where it does not.
        options: fields of the engine's options that the log states.
        said: the sentences, in order.
        notes: what a reader must be told.
    """

    engine: str
    version: str = ""
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[Said, ...]
    notes: tuple[str, ...] = ()

    def last(self, what: str) -> Said | None:
        """The last sentence of this form: an engine that starts anew says it again."""
        return next((item for item in reversed(self.said) if item.what == what), None)


def parse_log(data: bytes, *, where: str) -> EngineLog:
    """What the start-up log says.

    Raises:
        ConfigError: it is too large, or holds no sentence that an engine says of its cache.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"has {len(data):,} bytes",
            where=where,
            expected=f"the start of a log, at most {MOST_BYTES:,} bytes",
        )
    lines = [_COLOUR.sub("", line[:_LONGEST_LINE]) for line in _decoded(data).splitlines()]
    found = [_llama_cpp(lines), _vllm(lines), _sglang(lines)]
    best = max(found, key=lambda log: len(log.said))
    if not best.said:
        raise ConfigError(
            "no engine says here what its cache takes",
            where=where,
            expected="the start-up log of vLLM ('GPU KV cache size'), SGLang ('KV Cache is "
            "allocated') or llama.cpp ('llama_kv_cache: size')",
        )
    return best


def _decoded(data: bytes) -> str:
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def _matches(lines: list[str], forms: Mapping[str, re.Pattern[str]]) -> Iterator[Said]:
    count = 0
    for number, line in enumerate(lines, 1):
        for what, form in forms.items():
            match = form.search(line)
            if match is None:
                continue
            values = {name: value for name, value in match.groupdict().items() if value is not None}
            yield Said(what=what, values=values, line=number, text=printable(line.strip(), 300))
            count += 1
            if count >= _MOST_SENTENCES:
                return


# --- llama.cpp --------------------------------------------------------------------------------

_SIZE = r"size =\s*(?P<size>[0-9.]{1,20}) MiB"
_LLAMA = {
    "setting": re.compile(
        r"\bllama_(?:context|init_from_model|new_context_with_model): "
        r"(?P<name>n_seq_max|n_ctx|n_ctx_seq|n_ctx_per_seq|n_batch|n_ubatch|flash_attn|kv_unified)"
        r"\s*=\s*(?P<value>\w{1,20})"
    ),
    "cache": re.compile(
        rf"\b(?P<name>llama_kv_cache(?:_unified)?|llama_memory_recurrent): {_SIZE} "
        r"\(\s*(?P<cells>[0-9]{1,12}) cells,\s*(?P<layers>[0-9]{1,6}) layers,\s*"
        r"(?P<seqs>[0-9]{1,6})(?:/\s*(?P<streams>[0-9]{1,6}))? seqs[^)]*\), (?P<parts>.{1,200})"
    ),
    "older cache": re.compile(
        r"\bllama_\w{1,40}: KV self size\s*=\s*(?P<size>[0-9.]{1,20}) MiB, (?P<parts>.{1,200})"
    ),
    "state": re.compile(
        r"\bllama_dsv4_comp_state: (?P<name>csa|hca|lid) ratio = .{1,80}?"
        rf"layers = (?P<layers>[0-9]{{1,6}}), {_SIZE}"
    ),
    "swa_full": re.compile(r"\bllama_kv_cache\w*: using full-size SWA cache"),
    "version": re.compile(r"^build: (?P<version>[0-9]+ \([0-9a-f]{6,40}\))"),
    "model": re.compile(r"loaded meta data with .{1,80} from (?P<model>\S{1,300})"),
}
_PART = re.compile(r"\b(?P<part>[KVRSP]) \((?P<type>\w{1,12})\):\s*(?P<size>[0-9.]{1,20}) MiB")


def llama_parts(said: Said) -> dict[str, tuple[str, str]]:
    """The parts of a cache's line: letter to type and printed size."""
    return {
        match["part"]: (match["type"], match["size"])
        for match in _PART.finditer(said.values.get("parts", ""))
    }


def _llama_cpp(lines: list[str]) -> EngineLog:
    found = list(_matches(lines, _LLAMA))
    settings: dict[str, str] = {}
    caches: list[Said] = []
    contexts = 0
    swa_full = False
    for item in found:
        if item.what == "setting":
            if item.values["name"] == "n_seq_max":
                contexts += 1
            if contexts <= 1:
                settings.setdefault(item.values["name"], item.values["value"])
        elif contexts <= 1 and item.what in ("cache", "older cache", "state"):
            caches.append(item)
        elif contexts <= 1 and item.what == "swa_full":
            swa_full = True
    notes: tuple[str, ...] = ()
    if contexts > 1:
        notes = (f"the log has {contexts} contexts; the first of them is compared",)
    names = {item.what: item.values for item in found if item.what in ("version", "model")}
    options: dict[str, Any] = {}
    for name, option in (
        ("n_ctx", "ctx"),
        ("n_seq_max", "parallel"),
        ("n_ubatch", "ubatch"),
        ("n_batch", "batch_size"),
    ):
        if settings.get(name, "").isdecimal():
            options[option] = int(settings[name])
    if "kv_unified" in settings:
        options["unified"] = settings["kv_unified"] in ("true", "1")
    if settings.get("flash_attn") in ("disabled", "0"):
        options["flash_attn"] = "off"
    if swa_full:
        options["swa_full"] = True
    for said in caches:
        parts = llama_parts(said)
        for letter, option in (("K", "cache_type_k"), ("V", "cache_type_v")):
            if letter in parts:
                options.setdefault(option, parts[letter][0])
    return EngineLog(
        engine="llama.cpp",
        version=names.get("version", {}).get("version", ""),
        model=names.get("model", {}).get("model", ""),
        options=options,
        said=tuple(caches),
        notes=notes,
    )


# --- vLLM -------------------------------------------------------------------------------------

_COUNT = r"[0-9][0-9,]{0,20}"
_VLLM = {
    "pool": re.compile(rf"GPU KV cache size: (?P<tokens>{_COUNT}) tokens"),
    "concurrency": re.compile(
        rf"Maximum concurrency for (?P<tokens>{_COUNT}) tokens per request: "
        r"(?P<times>[0-9.]{1,20})x"
    ),
    "available": re.compile(r"Available KV cache memory: (?P<size>[0-9.]{1,12}) GiB"),
    "blocks": re.compile(r"# GPU blocks: (?P<blocks>[0-9]{1,12})"),
    "arguments": re.compile(r"non-default args: (?P<arguments>\{.*)"),
    "config": re.compile(
        r"Initializing a V1 LLM engine \(v(?P<version>[^)]{1,40})\) with config: (?P<config>.*)"
    ),
}
_PAIR = re.compile(r"\b(?P<name>[a-z_]{2,40})=(?P<value>'[^']{0,300}'|[A-Za-z0-9_.\-]{1,60})")
#: vLLM's words for what hfkv has a shorter field for.
_VLLM_FIELDS = {
    "tensor_parallel_size": "tp",
    "pipeline_parallel_size": "pp",
    "decode_context_parallel_size": "dcp",
    "kv_cache_dtype": "kv_dtype",
    "max_seq_len": "max_model_len",
}
#: What its own config states of them; ``auto`` there is what was asked for, not what was chosen.
_VLLM_CONFIG = (*_VLLM_FIELDS, "enable_prefix_caching", "dtype")


def _vllm(lines: list[str]) -> EngineLog:
    found = list(_matches(lines, _VLLM))
    options: dict[str, Any] = {}
    version = model = ""
    for item in found:
        if item.what == "config":
            version = item.values["version"]
            pairs = _pairs(item.values["config"])
            model = str(pairs.get("model", model))
            options.update({name: pairs[name] for name in _VLLM_CONFIG if name in pairs})
    for item in found:
        if item.what == "arguments":
            # To the last brace by hand: a pattern would look for it from every beginning anew.
            text = item.values["arguments"]
            given = _literal(text[: text.rfind("}") + 1])
            model = model or str(given.get("model_tag") or given.get("model") or "")
            options.update(given)
    if isinstance(options.get("dtype"), str):
        options["dtype"] = options["dtype"].removeprefix("torch.")
    return EngineLog(
        engine="vllm",
        version=version,
        model=model,
        options={_VLLM_FIELDS.get(name, name): value for name, value in options.items()},
        said=tuple(item for item in found if item.what not in ("arguments", "config")),
    )


# --- SGLang -----------------------------------------------------------------------------------

_GB = r"[0-9.]{1,12}"
_SGLANG = {
    "pool": re.compile(
        r"(?<!Full )(?<!SWA )KV Cache is allocated\.(?: dtype: (?P<dtype>[\w.]{1,40}),)?"
        rf" #tokens: (?P<tokens>[0-9]{{1,15}}),"
        rf"(?: K size: (?P<k>{_GB}) GB, V size: (?P<v>{_GB}) GB)?"
        rf"(?: KV size: (?P<kv>{_GB}) GB)?"
    ),
    "full pool": re.compile(
        r"Full KV Cache is allocated\.(?: dtype: (?P<dtype>[\w.]{1,40}),)?"
        rf" #tokens: (?P<tokens>[0-9]{{1,15}}), K size: (?P<k>{_GB}) GB, V size: (?P<v>{_GB}) GB"
    ),
    "sliding pool": re.compile(
        r"SWA KV Cache is allocated\.(?: dtype: (?P<dtype>[\w.]{1,40}),)?"
        rf" #tokens: (?P<tokens>[0-9]{{1,15}}), K size: (?P<k>{_GB}) GB, V size: (?P<v>{_GB}) GB"
    ),
    "states": re.compile(
        r"Mamba Cache is allocated\. max_mamba_cache_size: (?P<slots>[0-9]{1,9}), "
        rf"conv_state size: (?P<conv>{_GB})GB, ssm_state size: (?P<ssm>{_GB})GB"
    ),
    "total": re.compile(
        r"max_total_num_tokens=(?P<tokens>[0-9]{1,15})"
        r"(?:.{0,200}?max_running_requests=(?P<requests>[0-9]{1,9}))?"
    ),
    "arguments": re.compile(r"server_args=ServerArgs\((?P<arguments>.{0,60000})"),
}
_SGLANG_FIELDS = {"tp_size": "tp", "kv_cache_dtype": "kv_dtype"}
#: Arguments that have the names of hfkv's fields; the hundreds of others say nothing of the cache.
_SGLANG_SAME = (
    "page_size",
    "swa_full_tokens_ratio",
    "mamba_full_memory_ratio",
    "mamba_ssm_dtype",
    "disable_radix_cache",
    "max_running_requests",
    "max_mamba_cache_size",
    "chunked_prefill_size",
    "speculative_num_draft_tokens",
    "context_length",
)
_FLOAT8 = {"torch.float8_e4m3fn": "fp8_e4m3", "torch.float8_e5m2": "fp8_e5m2"}


def _sglang(lines: list[str]) -> EngineLog:
    found = list(_matches(lines, _SGLANG))
    stated: dict[str, Any] = {}
    for item in found:
        if item.what == "arguments":
            stated.update(_pairs(item.values["arguments"]))
    model = str(stated.pop("model_path", ""))
    options = {
        _SGLANG_FIELDS.get(name, name): value
        for name, value in stated.items()
        if name in _SGLANG_FIELDS or name in _SGLANG_SAME
    }
    if stated.get("speculative_algorithm") in ("EAGLE", "NEXTN"):
        options["speculative_eagle"] = True
    for item in found:
        kind = _FLOAT8.get(item.values.get("dtype", ""))
        if kind is not None and options.get("kv_dtype", "auto") == "auto":
            options["kv_dtype"] = kind
    said = tuple(item for item in found if item.what != "arguments")
    return EngineLog(engine="sglang", model=model, options=options, said=said)


def _pairs(text: str) -> dict[str, Any]:
    """``name=value`` pairs of a printed config: plain words, numbers and quoted strings."""
    found: dict[str, Any] = {}
    for match in _PAIR.finditer(text):
        found.setdefault(match["name"], _plain(match["value"]))
    return found


def _plain(text: str) -> Any:
    if text.startswith("'"):
        return text[1:-1]
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    if text.isdecimal() and len(text) < 16:
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _literal(text: str) -> dict[str, Any]:
    """A printed dict of plain values; empty where it is not one."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        str(name): item
        for name, item in value.items()
        if isinstance(item, str | int | float | bool | type(None))
    }
