"""Start-up logs: read whatever stands around them, and held against hfkv's rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.comparison.start_log import hold_against
from hfkv.comparison.start_log.llamacpp import printed_mib
from hfkv.engines import Vllm
from hfkv.engines.start_log import parse_log
from hfkv.errors import ConfigError, HfkvError
from hfkv.facts import Facts
from hfkv.model import Model
from tests.engines.rows import SMALL, read_rows, subject

#: As libllama 0c1e570 prints it, for the small gpt_oss.
LLAMA = """\
build: 6500 (0c1e570a) with cc for x86_64-linux-gnu
llama_model_loader: loaded meta data with 30 key-value pairs and 40 tensors from small.gguf (V3)
llama_context: n_seq_max     = 1
llama_context: n_ctx         = 4096
llama_context: n_ctx_seq     = 4096
llama_context: n_batch       = 2048
llama_context: n_ubatch      = 512
llama_context: kv_unified    = false
llama_kv_cache_iswa: creating non-SWA KV cache, size = 4096 cells
llama_kv_cache:        CPU KV buffer size =     4.00 MiB
llama_kv_cache: size =    4.00 MiB (  4096 cells,   2 layers,  1/1 seqs), K (f16):    2.00 MiB, \
V (f16):    2.00 MiB
llama_kv_cache_iswa: creating     SWA KV cache, size = 768 cells
llama_kv_cache: size =    0.75 MiB (   768 cells,   2 layers,  1/1 seqs), K (f16):    0.38 MiB, \
V (f16):    0.38 MiB
"""


def model(name: str) -> Model:
    return Model(Facts(model=name, source="directory", config=SMALL["configs"][name]))


def test_llama_cpp_agrees() -> None:
    log = parse_log(LLAMA.encode(), where="x.log")
    assert (log.engine, log.version, log.model) == ("llama.cpp", "6500 (0c1e570a)", "small.gguf")
    assert log.options["ctx"] == 4096
    found = hold_against(model("gpt_oss"), log)
    assert found.agree
    assert [line.said for line in found.lines] == [
        *("4096", "2", "2.00 MiB", "2.00 MiB"),
        *("768", "2", "0.38 MiB", "0.38 MiB"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("   768 cells", "  1024 cells", "--ubatch-size"),
        ("K (f16):    2.00", "K (f16):    2.01", "other cells or layers"),
        ("   2 layers", "   3 layers", "another model"),
    ],
)
def test_what_differs_is_explained(old: str, new: str, why: str) -> None:
    found = hold_against(model("gpt_oss"), parse_log(LLAMA.replace(old, new).encode(), where="x"))
    assert not found.agree
    assert any(why in line.why for line in found.lines if not line.agree)


def test_one_option_that_explains_it_is_found() -> None:
    text = LLAMA.replace("n_ubatch      = 512", "n_other = 1")
    text = text.replace("   768 cells", "  2304 cells").replace("0.38 MiB", "1.12 MiB")
    found = hold_against(model("gpt_oss"), parse_log(text.encode(), where="x"))
    assert not found.agree
    assert "every number would agree with ubatch=2048" in found.notes


def vllm(**values: object) -> bytes:
    """As vLLM 0.33.0 prints it, for the small gpt_oss in 1 GiB."""
    said: dict[str, object] = {"memory": "1.00", "tokens": "523,265", "times": "127.75"}
    said.update(values)
    return f"""\
INFO 11-29 07:00:00 [utils.py:233] non-default args: {{'model_tag': 'x', 'max_model_len': 4096}}
INFO 11-29 07:00:01 [core.py:58] Initializing a V1 LLM engine (v0.33.0) with config: model='x', \
dtype=torch.bfloat16, max_seq_len=4096, tensor_parallel_size=1, kv_cache_dtype=auto
INFO 11-29 07:00:09 [worker.py:1] Available KV cache memory: {said["memory"]} GiB
INFO 11-29 07:00:09 [kv.py:1] GPU KV cache size: {said["tokens"]} tokens, Maximum concurrency for \
4,096 tokens per request: {said["times"]}x
""".encode()


def test_vllm_agrees() -> None:
    log = parse_log(vllm(), where="x")
    assert (log.engine, log.version, log.options["dtype"]) == ("vllm", "0.33.0", "bfloat16")
    found = hold_against(model("gpt_oss"), log)
    assert found.agree, found.lines
    assert [line.said for line in found.lines] == ["523,265", "523,265 tokens", "127.75x"]


def test_vllm_without_its_memory() -> None:
    text = vllm().replace(b"Available KV cache memory", b"whatever")
    found = hold_against(model("gpt_oss"), parse_log(text, where="x"))
    assert found.agree
    assert len(found.lines) == 2


def test_vllm_differs_and_says_why() -> None:
    found = hold_against(model("gpt_oss"), parse_log(vllm(tokens="523,264"), where="x"))
    assert not found.agree
    assert "--max-num-batched-tokens" in found.lines[-1].why


def test_options_beside_the_log() -> None:
    log = parse_log(vllm(), where="x")
    found = hold_against(model("gpt_oss"), log, Vllm(max_num_batched_tokens=512))
    assert found.options["max_num_batched_tokens"] == 512
    assert not found.agree


def test_vllm_must_name_the_longest_request() -> None:
    with pytest.raises(ConfigError, match="longest request"):
        hold_against(model("gpt_oss"), parse_log(b"GPU KV cache size: 1,000 tokens\n", where="x"))


VLLM_ROWS = [
    row
    for row in read_rows("vllm_0.33.0.jsonl")
    if row["gpu"] == "h100" and row["variant"] in ("default", "fp8", "tp2") and "results" in row
][::5]


@pytest.mark.skipif(not VLLM_ROWS, reason="no rows beside the checkout")
def test_the_sentences_of_vllm_itself() -> None:
    compared = 0
    for row in VLLM_ROWS:
        if row.get("config") == "hand-typed":
            continue
        asked = Model(subject(row["model"]).facts)
        for result in row["results"]:
            capacity = result.get("capacity") or {}
            if "log" not in capacity:
                continue
            arguments = {
                "max_model_len": result["tokens"],
                "tensor_parallel_size": row["tp"],
                "kv_cache_dtype": row["kv_dtype"],
            }
            text = (
                f"non-default args: {arguments}\n"
                f"Available KV cache memory: {capacity['available'] / 2**30:.2f} GiB\n"
                f"{capacity['log']}\n"
            )
            found = hold_against(asked, parse_log(text.encode(), where=row["model"]))
            assert found.agree, (row["model"], row["variant"], found.lines)
            compared += 1
    assert compared > 20


SGLANG = """\
[2026-11-29 07:00:00] server_args=ServerArgs(model_path='small', tp_size=1, kv_cache_dtype='auto')
[2026-11-29 07:00:09] Use sliding window memory pool. full_layer_tokens=970903, \
swa_layer_tokens=776722
[2026-11-29 07:00:09] SWA KV Cache is allocated. dtype: torch.bfloat16, #tokens: 776722, K size: \
0.37 GB, V size: 0.37 GB
[2026-11-29 07:00:09] Full KV Cache is allocated. dtype: torch.bfloat16, #tokens: 970903, K size: \
0.46 GB, V size: 0.46 GB
[2026-11-29 07:00:09] max_total_num_tokens=970903, chunked_prefill_size=8192, \
max_running_requests=4096
"""


def test_sglang_agrees() -> None:
    log = parse_log(SGLANG.encode(), where="x")
    assert (log.engine, log.model, log.options) == (
        "sglang",
        "small",
        {"tp": 1, "kv_dtype": "auto"},
    )
    found = hold_against(model("gpt_oss"), log)
    assert found.agree, found.lines
    assert len(found.lines) == 4


def test_sglang_of_another_type_says_which() -> None:
    text = SGLANG.replace("0.37", "0.19").replace("0.46", "0.23")
    found = hold_against(model("gpt_oss"), parse_log(text.encode(), where="x"))
    assert not found.agree
    assert "every number would agree with kv_dtype=fp8_e4m3" in found.notes
    # The dtype in the lines themselves is taken, where no argument says another.
    text = text.replace("torch.bfloat16", "torch.float8_e4m3fn")
    assert hold_against(model("gpt_oss"), parse_log(text.encode(), where="x")).agree


SGLANG_ROWS = [row for row in read_rows("sglang_0.5.23.jsonl") if row.get("log")]


@pytest.mark.skipif(not SGLANG_ROWS, reason="no rows beside the checkout")
def test_the_sentences_of_sglang_itself() -> None:
    compared = 0
    for row in SGLANG_ROWS:
        if "DeepSeek-V4" in row["model"]:
            # Its pools are said in no such sentence.
            continue
        arguments = ", ".join(f"{name}={value!r}" for name, value in row["args"].items())
        text = "\n".join([f"server_args=ServerArgs({arguments})", *row["log"]])
        found = hold_against(
            Model(subject(row["model"]).facts), parse_log(text.encode(), where=row["model"])
        )
        assert found.agree, (row["model"], row["variant"], found.lines)
        compared += 1
    assert compared > 50


def test_the_words_of_an_older_llama_cpp() -> None:
    text = """\
llama_init_from_model: n_seq_max     = 1
llama_init_from_model: n_ctx         = 4096
llama_init_from_model: n_ubatch      = 512
llama_init_from_model: KV self size  =    4.00 MiB, K (f16):    2.00 MiB, V (f16):    2.00 MiB
"""
    found = hold_against(model("llama"), parse_log(text.encode(), where="x"))
    assert found.agree, found.lines
    assert [line.what for line in found.lines] == [
        "llama_kv_cache: K (f16)",
        "llama_kv_cache: V (f16)",
    ]


def with_parallel_size(value: str) -> bytes:
    text = vllm().replace(b"'max_model_len': 4096", f"'tensor_parallel_size': {value}".encode())
    return text.replace(b"tensor_parallel_size=1", b"x=1")


@pytest.mark.parametrize("value", ["'x'", "-1", "1.5", "True", "9999999999999999"])
def test_options_of_a_log_are_untrusted(value: str) -> None:
    log = parse_log(with_parallel_size(value), where="x")
    with pytest.raises(ConfigError, match="tp: the log says"):
        hold_against(model("gpt_oss"), log)


@pytest.mark.parametrize("value", ["10**9", "[1]", "__import__('os')"])
def test_what_is_no_plain_value_is_no_option(value: str) -> None:
    assert "tp" not in parse_log(with_parallel_size(value), where="x").options


def test_another_model_is_told_from_it() -> None:
    found = hold_against(model("llama"), parse_log(LLAMA.encode(), where="x"))
    assert not found.agree


@pytest.mark.parametrize(
    "data",
    [
        LLAMA.encode("utf-16"),
        b"\xef\xbb\xbf" + LLAMA.encode(),
        ("\x1b[32m" + LLAMA.replace("\n", "\x1b[0m\r\n")).encode(),
        b"\xff\x00\xfe garbage \x80\n" * 100 + LLAMA.encode(),
        ("2026-11-29T07:00:00 main | " + LLAMA.replace("\n", "\n2026 main | ")).encode(),
    ],
    ids=["utf-16", "mark", "colours", "garbage", "prefixed"],
)
def test_whatever_stands_around_it(data: bytes) -> None:
    assert hold_against(model("gpt_oss"), parse_log(data, where="x")).agree


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 1000, b"nothing of the kind\n" * 10, b"{" * 100_000, b"a" * 2**20]
)
def test_no_log(data: bytes) -> None:
    with pytest.raises(ConfigError, match="no engine says here"):
        parse_log(data, where="x")


def test_too_long() -> None:
    with pytest.raises(ConfigError, match="at most"):
        parse_log(b"\n" * (32 * 2**20 + 1), where="x")


def test_only_the_first_context_is_compared() -> None:
    log = parse_log((LLAMA + LLAMA).encode(), where="x")
    assert hold_against(model("gpt_oss"), log).agree
    assert "2 contexts" in log.notes[0]


def test_mib_as_llama_cpp_prints_them() -> None:
    assert printed_mib(393_216, "0.38") == "0.38"
    # A float32 has 24 bits, so that large sizes are off in the last digit.
    assert printed_mib(475_592_130_560, "1.00") == f"{475_592_130_560 / 2**20:.2f}"


def test_command(hfkv: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL["configs"]["gpt_oss"]), "utf-8")
    log = tmp_path / "start.log"
    log.write_text(LLAMA, "utf-8")
    arguments = ["verify", str(tmp_path), "--log", str(log)]
    code, out, _ = hfkv(*arguments, "--json")
    value = json.loads(out)
    assert (code, value["agree"], value["lines"][0]["said"]) == (0, True, "4096")
    log.write_text(LLAMA.replace("4096 cells,", "8192 cells,"), "utf-8")
    code, out, _ = hfkv(*arguments)
    assert code == 1
    assert "DIFFER" in out
    log.write_text("nothing\n", "utf-8")
    code, _, error = hfkv(*arguments)
    assert (code, error.count("\n")) == (1, 1)
    code, _, error = hfkv("verify", str(tmp_path), "--log", str(tmp_path / "none"))
    assert (code, "no such file" in error) == (1, True)


@pytest.mark.parametrize(
    ("old", "new"), [("4,096 tokens", "0 tokens"), ("1.00 GiB", "1.0.0 GiB"), ("1.00", "0.00")]
)
def test_a_log_of_nonsense(old: str, new: str) -> None:
    log = parse_log(vllm().decode().replace(old, new).encode(), where="x")
    with pytest.raises(HfkvError):
        hold_against(model("gpt_oss"), log)


def test_a_garbled_size_is_said() -> None:
    log = b"server_args=ServerArgs(tp_size=1)\nKV Cache is allocated. dtype: torch.bfloat16, "
    for size in ("20..00", "."):
        line = f"#tokens: 291271, K size: 20.00 GB, V size: {size} GB\n".encode()
        with pytest.raises(ConfigError, match="no number"):
            hold_against(model("llama"), parse_log(log + line, where="x"))


def test_llama_cpp_without_its_settings() -> None:
    lines = [line for line in LLAMA.splitlines() if not line.startswith("llama_context")]
    found = hold_against(model("gpt_oss"), parse_log("\n".join(lines).encode(), where="x"))
    assert found.agree, found.lines
    assert any("does not say n_ctx" in note for note in found.notes)
    older = b"llama_x: KV self size  =    4.00 MiB, K (f16):    2.00 MiB, V (f16):    2.00 MiB"
    with pytest.raises(ConfigError, match="cannot be compared"):
        hold_against(model("llama"), parse_log(older, where="x"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("1.00 GiB", "0.00 GiB"), ("cache_dtype=auto", "cache_dtype=zzz"), ("4,096 t", "0 t")],
)
def test_bad_logs_exit_with_1(hfkv: Callable[..., Any], tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL["configs"]["gpt_oss"]), "utf-8")
    log = tmp_path / "start.log"
    log.write_text(vllm().decode().replace(old, new), "utf-8")
    code, out, err = hfkv("verify", str(tmp_path), "--log", str(log))
    assert (code, out, err.count("\n")) == (1, "", 1)
    for flag in ("--tokens", "--batch", "--rank"):
        code, _, err = hfkv("verify", str(tmp_path), "--log", str(log), flag, "5")
        assert (code, f"{flag} does not go with --log" in err) == (2, True)
