"""Start-up logs: read whatever stands around them, and held against hfkv's rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv.comparison.start_log import hold_against, printed_mib
from hfkv.engines.start_log import parse_log
from hfkv.errors import ConfigError
from hfkv.facts import Facts
from hfkv.model import Model
from tests.engines.rows import SMALL

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
