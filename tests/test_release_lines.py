"""Figures of an older line of transformers: what differs there, what is refused, what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv import release_lines, versions
from hfkv.check.settings import find_settings
from hfkv.data import read_json
from hfkv.errors import InputError, InputTypeError, UnsupportedError
from hfkv.facts.classes import known_types
from hfkv.release_lines import LINES, has_type, line_of, newest
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
(LINE,) = LINES
TYPES: dict[str, Any] = read_json("lines", f"{LINE}.json")["types"]
THERE = release_lines.line_versions(LINE)["transformers"]

_MLA = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "hidden_size": 64,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
}


def _config(model_type: str, **keys: Any) -> dict[str, Any]:
    return {"model_type": model_type, "dtype": "bfloat16", **keys}


@pytest.mark.parametrize(
    ("config", "tokens", "now", "there"),
    [
        (_config("llama", num_hidden_layers=2), 10, 327_680, 327_680),
        # The latent and the rotary key, and every head's key and value.
        ({**_config("deepseek_v3"), **_MLA}, 20, 9_600, 38_400),
        # A state in float32, and in the model's dtype.
        (_config("mamba"), 5, 3_538_944, 1_966_080),
        # A window in the layers that convolve, and in all.
        (
            _config("lfm2", num_hidden_layers=4, layer_types=["conv", "full_attention"] * 2),
            4,
            2 * 2560 * 3 * 2 + 2 * 4 * 2 * 8 * 80 * 2,
            4 * 2560 * 3 * 2 + 2 * 4 * 2 * 8 * 80 * 2,
        ),
    ],
    ids=["llama", "deepseek_v3", "mamba", "lfm2"],
)
def test_caches(config: dict[str, Any], tokens: int, now: int, there: int) -> None:
    model = hfkv.load(config)
    older = hfkv.load(config, transformers=LINE).kv_cache(tokens=tokens)
    assert (model.kv_cache(tokens=tokens).bytes, older.bytes) == (now, there)
    assert older.basis == "exact"
    assert older.curve.bytes(tokens) == older.bytes == sum(layer.bytes for layer in older.layers)
    assert older.explain()[-1] == f"versions: {versions.said('hfkv', 'transformers', line=LINE)}"


@pytest.mark.parametrize(
    ("model_type", "now", "there"),
    [
        ("llama", 19_988_480, 19_988_480),
        # Experts are fused parameters, and linear layers of their own.
        ("mixtral", 179_832_832, 121_112_576),
        ("qwen2_moe", 7_962_816, 127_806_912),
    ],
)
def test_adapters(model_type: str, now: int, there: int) -> None:
    model = hfkv.load(_config(model_type))
    older = model.with_transformers(LINE)
    assert model.lora(r=8).parameters == now
    figure = older.lora(r=8)
    assert figure.parameters == there == sum(figure.per_target.values())
    assert older.with_transformers(None).lora(r=8).parameters == now
    assert versions.said("peft", line=LINE) in figure.explain()[-1]


def test_a_projection_of_experts_can_be_named_alone() -> None:
    model = hfkv.load(_config("mixtral"))
    with pytest.raises(hfkv.HfkvError, match="fused"):
        model.lora(r=4, target_modules=["w1"])
    older = model.with_transformers(LINE).lora(r=4, target_modules=["w1"])
    assert older.parameters == 32 * 8 * 4 * (4096 + 14336)


def test_a_line_has_several_names() -> None:
    assert [line_of(text) for text in (LINE, THERE, f"{LINE}.0")] == [LINE] * 3
    major, minor, _ = newest().split(".")
    assert [line_of(text) for text in (None, newest(), f"{major}.{minor}", major)] == [""] * 4
    for text in ("", "4", "4.5", "4.56.1", f"{LINE}.x", f"{LINE}.1.2", "6", "newest", " 4.57"):
        with pytest.raises(InputError, match="transformers"):
            line_of(text)
    with pytest.raises(InputTypeError):
        hfkv.load(_config("llama"), transformers=4.57)  # type: ignore[call-overload]


def test_a_release_without_a_table_is_refused_before_anything_is_read(hfkv: Run) -> None:
    code, out, err = hfkv("kv", "no/such-model", "--transformers", "4.40")
    assert (code, out) == (2, "")
    assert "--transformers" in err
    assert LINE in err


@pytest.mark.parametrize("command", ["kv", "lora", "compare", "rank", "plot"])
def test_the_output_says_which_line_it_is_of(hfkv: Run, command: str) -> None:
    asked = [command, LLAMA, "--source", "snapshot", "--transformers", LINE]
    if command == "plot":
        asked += ["--over", "tokens", "--format", "json"]
    else:
        asked.append("--json")
    code, out, err = hfkv(*asked)
    assert (code, err) == (0, "")
    value = json.loads(out)
    for item in value if isinstance(value, list) else [value]:
        assert item["versions"] == versions.tables(LINE)
        assert item["versions"]["transformers"] == THERE


def test_people_are_told_as_well(hfkv: Run) -> None:
    for command in ("kv", "lora", "compare", "rank"):
        out = hfkv(command, LLAMA, "--source", "snapshot", "--transformers", LINE)[1]
        assert f"transformers {THERE}" in out, command


def test_a_type_that_the_line_lacks_is_refused() -> None:
    new = next(name for name in known_types() if not has_type(LINE, name))
    with pytest.raises(UnsupportedError, match=f"transformers {THERE} has no type"):
        release_lines.cache_rule(LINE, {}, new, where="x")
    model = hfkv.load(_config("qwen3_5_text"), transformers=LINE)
    for ask in (lambda: model.kv_cache(tokens=9), lambda: model.lora(r=8)):
        with pytest.raises(UnsupportedError, match="has no type"):
            ask()


def test_a_type_that_was_not_proved_is_refused() -> None:
    unproved = [name for name in known_types() if has_type(LINE, name) and name not in TYPES]
    for name in unproved[:3]:
        with pytest.raises(UnsupportedError, match="was not held against"):
            release_lines.cache_rule(LINE, {}, name, where="x")
        with pytest.raises(UnsupportedError, match="was not held against"):
            release_lines.module_rule(LINE, {}, name, "AnyForCausalLM", where="x")
    with pytest.raises(UnsupportedError, match="the modules of SomeModel"):
        release_lines.module_rule(LINE, {}, "llama", "SomeModel", where="x")


def test_parts_and_keys_beyond_the_proof_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {
        "cache": "",
        "parts": {"text_config": ["a"]},
        "apart": {"cache": {"without": {"x.y": [], "flag": [False]}, "stated": ["z"]}},
    }
    table = {"transformers": THERE, "peft": "0", "types": {"llama": entry}}
    monkeypatch.setattr(release_lines, "_table", lambda line: table)

    def ask(**raw: Any) -> str:
        return release_lines.cache_rule(LINE, raw, "llama", where="m")

    assert ask(z=1, text_config={"model_type": "a"}, x={"y": None}, flag=True) == ""
    for raw, said in (
        ({"z": 1, "text_config": {"model_type": "b"}}, "llama with b as its text_config"),
        ({"z": 1, "x": {"y": 2}}, "states x.y"),
        ({"z": 1, "flag": False}, "states flag"),
        ({"z": None}, "does not state z"),
    ):
        with pytest.raises(UnsupportedError, match=said):
            ask(**raw)


def test_nobody_knows_what_remote_code_does_there() -> None:
    header = {"model.layers.0.self_attn.q_proj.weight": {"dtype": "BF16", "shape": [8, 8]}}
    model = hfkv.load(_config("no-such-type", hidden_size=8), header=header, transformers=LINE)
    with pytest.raises(UnsupportedError):
        model.kv_cache(tokens=9)
    with pytest.raises(UnsupportedError):
        model.lora(r=8)


def test_what_was_held_against_the_newest_alone_is_refused(hfkv: Run) -> None:
    model = _llama()
    with pytest.raises(UnsupportedError, match="what training takes"):
        model.training(model.lora(r=8))
    with pytest.raises(UnsupportedError, match="a prompt or cartridge"):
        model.cartridge(tokens=8)
    code, _, err = hfkv("kv", LLAMA, "--engine", "vllm", "--transformers", LINE)
    assert code == 2
    assert "an engine allocates as its own release does" in err
    for command in ("kv", "lora"):
        code, _, err = hfkv(command, LLAMA, "--basis", "live", "--transformers", LINE)
        assert (code, "the installed release" in err) == (2, True)


def _llama() -> hfkv.Model:
    return hfkv.load(LLAMA, source="snapshot", transformers=LINE)


def test_an_engine_allocates_the_same_whatever_is_asked() -> None:
    config = _config("deepseek_v3", architectures=["DeepseekV3ForCausalLM"])
    model, engine = hfkv.load(config), hfkv.Vllm()
    older = model.with_transformers(LINE)
    assert (
        older.kv_cache(tokens=100, engine=engine).bytes
        == model.kv_cache(tokens=100, engine=engine).bytes
    )


@pytest.mark.parametrize("command", ["kv", "lora"])
def test_who_has_the_line_installed_hears_where_it_differs(
    hfkv: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setattr(versions, "installed", {"transformers": THERE}.get)

    def asked(config: dict[str, Any], *more: str) -> str:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        code, _, err = hfkv(command, str(folder), "-q", *more)
        assert code == 0
        return err

    assert asked(_config("llama")) == ""
    differing = _config("mamba") if command == "kv" else _config("mixtral")
    said = asked(differing)
    assert f"transformers {THERE} is installed here, these figures are of {newest()}" in said
    assert f"--transformers {LINE} gives those figures" in said
    assert asked(differing, "--transformers", LINE) == ""
    monkeypatch.setattr(release_lines, "differs", lambda *_, **__: "unproved")
    monkeypatch.setattr(versions, "differs", lambda *_, **__: "unproved")
    assert "were not compared" in asked(_config("llama"))


def test_the_check_takes_it_from_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "hfkv.toml"
    path.write_text(f'transformers = "{THERE}"\n')
    assert find_settings(tmp_path).transformers == LINE
    path.write_text(f'transformers = "{newest()}"\n')
    assert find_settings(tmp_path).transformers == ""
    for wrong in ('"4.40"', "4.57", "[]"):
        path.write_text(f"transformers = {wrong}\n")
        with pytest.raises(InputError, match=r"hfkv\.toml: transformers"):
            find_settings(tmp_path)


def test_the_check_counts_by_it(hfkv: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text(json.dumps(_config("mamba")))
    claim = "<!-- hfkv: kv ./m --tokens 5 -->1,966,080 B<!-- /hfkv -->"
    (tmp_path / "README.md").write_text(f"It keeps {claim}.\n")
    assert hfkv("check")[0] == 1
    assert hfkv("check", "--transformers", LINE)[0] == 0
    (tmp_path / "hfkv.toml").write_text(f'transformers = "{LINE}"\n')
    assert hfkv("check")[0] == 0


def test_the_table_names_rules_that_there_are() -> None:
    from hfkv.cache.line_rules import RULES

    for name, entry in TYPES.items():
        assert has_type(LINE, name), name
        assert entry.get("cache", "") in RULES, name
        for rule in entry.get("modules", {}).values():
            assert set(rule) <= {
                "experts",
                "gone",
                "kinds",
                "moved",
                "renamed",
                "ties",
                "transposed",
                "turned",
            }
        assert min(entry["configs"].values()) >= 8, name
