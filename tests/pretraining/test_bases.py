"""Following base models: on the Hub, in the local cache, from a directory, an adapter's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv import load
from hfkv.facts import BaseCard, Facts
from hfkv.pretraining import Pretraining, explain, pretraining
from hfkv.tensors import Tensor, TensorTable
from tests.hub.server import COMMIT, Hub, Repo, safetensors

T = 10**12
CONFIG = b'{"model_type": "llama"}'
STATED = "# Base\n\nBase-7B was pretrained on over 15T tokens.\n"


def _card(base: str | list[str] | None = None, text: str = "# A chat model\n") -> bytes:
    front = "" if base is None else f"---\nbase_model: {json.dumps(base)}\n---\n"
    return (front + text).encode()


def _repo(hub: Hub, name: str, card: bytes, **files: bytes) -> None:
    hub.repos[name] = Repo(files={"config.json": CONFIG, "README.md": card, **files})


def _cache(home: Path, name: str, card: bytes) -> None:
    folder = home / "hub" / ("models--" + name.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_bytes(CONFIG)
    (snapshot / "README.md").write_bytes(card)


def test_bases_are_followed_on_the_hub_and_named_in_the_evidence(hub: Hub) -> None:
    _repo(hub, "me/chat", _card("you/sft"))
    _repo(hub, "you/sft", _card("org/Base-7B"))
    _repo(hub, "org/Base-7B", STATED.encode())
    said = load("me/chat").pretraining
    assert (said.tokens, said.qualifier, said.basis) == (15 * T, "at_least", "stated")
    assert (said.evidence[0].model, said.evidence[0].line) == ("org/Base-7B", 3)
    assert said.evidence[0].commit == COMMIT
    assert "org/Base-7B" in said.notes[0]


def test_a_card_that_states_a_count_needs_no_base(hub: Hub) -> None:
    _repo(hub, "me/chat", _card("org/Base-7B", "Pretrained on 2T tokens."))
    _repo(hub, "org/Base-7B", STATED.encode())
    assert load("me/chat").pretraining.tokens == 2 * T
    assert not any("Base-7B" in path for _, path, _ in hub.requests)


def test_a_loop_ends_and_a_chain_is_followed_a_few_steps_only(hub: Hub) -> None:
    _repo(hub, "me/a", _card("me/b"))
    _repo(hub, "me/b", _card("me/a"))
    assert load("me/a").pretraining.tokens is None
    for number in range(9):
        _repo(hub, f"me/c{number}", _card(f"me/c{number + 1}"))
    _repo(hub, "me/c9", b"Pretrained on 2T tokens.")
    said = load("me/c0")
    assert said.pretraining.tokens is None
    assert len(said.facts.lineage) <= 4
    assert load("me/c6").pretraining.tokens == 2 * T


def test_a_merge_follows_no_base(hub: Hub) -> None:
    _repo(hub, "me/merge", _card(["org/Base-7B", "org/other"]))
    _repo(hub, "org/Base-7B", STATED.encode())
    said = load("me/merge").pretraining
    assert said.tokens is None
    assert "several base models" in said.notes[0]


def test_a_base_that_cannot_be_read_costs_only_its_card(hub: Hub) -> None:
    _repo(hub, "me/chat", _card("gone/base"))
    loaded = load("me/chat")
    assert loaded.pretraining.tokens is None
    assert any("gone/base" in note for note in loaded.facts.notes)


def test_the_size_of_a_fine_tune_says_which_row_of_its_bases_card(hub: Hub) -> None:
    family = (
        b"# Base\n\n| Model | Training tokens |\n|---|---|\n| Base 1B | 1T |\n| Base 7B | 2T |\n"
    )
    table = TensorTable([Tensor(name="w", dtype="BF16", shape=(7_000_000_000,))])
    hub.repos["me/chat"] = Repo(
        files={
            "config.json": CONFIG,
            "README.md": _card("org/Base"),
            "model.safetensors": safetensors(table),
        }
    )
    _repo(hub, "org/Base", family)
    assert load("me/chat").pretraining.tokens == 2 * T
    # Packed weights have fewer elements than parameters, and say nothing of the size.
    quantized = b'{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}'
    hub.repos["me/chat"].files["config.json"] = quantized
    assert load("me/chat", source="hub").pretraining.tokens is None


def test_bases_are_followed_in_the_local_cache(home: Path, offline: None) -> None:
    _cache(home, "me/chat", _card("org/Base-7B"))
    assert load("me/chat").pretraining.tokens is None
    _cache(home, "org/Base-7B", STATED.encode())
    said = load("me/chat").pretraining
    assert (said.tokens, said.evidence[0].model) == (15 * T, "org/Base-7B")


def test_a_directory_asks_the_local_cache_and_never_the_hub(
    tmp_path: Path, home: Path, hub: Hub
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "README.md").write_bytes(_card("org/Base-7B"))
    _repo(hub, "org/Base-7B", STATED.encode())
    said = load(str(folder)).pretraining
    assert said.tokens is None
    assert said.notes == ("its card names the base model org/Base-7B: hfkv tokens org/Base-7B",)
    assert not hub.requests
    _cache(home, "org/Base-7B", STATED.encode())
    said = load(str(folder)).pretraining
    assert (said.tokens, said.evidence[0].model) == (15 * T, "org/Base-7B")
    assert not hub.requests


def test_an_adapters_count_is_that_of_its_base(hub: Hub) -> None:
    hub.repos["me/lora"] = Repo(
        files={
            "adapter_config.json": b'{"peft_type": "LORA", "base_model_name_or_path": "me/chat"}',
            "README.md": b"Trained on 100M tokens.",
        }
    )
    _repo(hub, "me/chat", _card("org/Base-7B"))
    _repo(hub, "org/Base-7B", STATED.encode())
    said = load("me/lora").pretraining
    assert (said.tokens, said.evidence[0].model) == (15 * T, "org/Base-7B")


def test_what_was_read_of_a_model_comes_before_its_bases() -> None:
    silent = "# A model\n"
    base = BaseCard(model="org/Base-7B", card=STATED, commit=COMMIT)
    known = Facts(model="huggyllama/llama-7b", source="hub", card=silent)
    assert pretraining(known).basis == "published"
    both = Facts(model="huggyllama/llama-7b", source="hub", card=silent, lineage=(base,))
    # What was read of the model itself comes before the card of its base.
    assert (pretraining(both).basis, pretraining(both).tokens) == ("published", T)


def test_explain_shows_the_candidates_of_every_card(hub: Hub, hfkv: Callable[..., Any]) -> None:
    _repo(hub, "me/chat", _card("org/Base-7B", "Fine-tuned on 3B tokens.\n"))
    _repo(hub, "org/Base-7B", (STATED + "\nContext: 128M tokens.\n").encode())
    readings = explain(load("me/chat").core)
    assert [reading.model for reading in readings] == ["me/chat", "org/Base-7B"]
    code, out, err = hfkv("tokens", "me/chat", "--explain", "--json")
    assert code == 0, err
    rows = json.loads(out)["candidates"]
    assert [(row["model"], row["verdict"]) for row in rows] == [
        ("me/chat", "rejected"),
        ("org/Base-7B", "chosen"),
        ("org/Base-7B", "rejected"),
    ]
    assert all(row["why"] and row["line"] and row["quote"] for row in rows)
    _, shown, _ = hfkv("tokens", "me/chat", "--explain")
    assert "against:" in shown
    assert "org/Base-7B" in shown


def test_nothing_of_a_card_reaches_the_terminal_raw(hub: Hub, hfkv: Callable[..., Any]) -> None:
    evil = "Was \x1b[31mpretrained\x1b[0m on \u202e15T\u202c tokens\x07; \x9b1m saw 15T tokens.\n"
    _repo(hub, "me/evil", evil.encode())
    for flags in ([], ["--explain"], ["--json"], ["--explain", "--json"]):
        code, out, err = hfkv("tokens", "me/evil", *flags)
        assert code == 0
        for line in (out + err).split("\n"):
            assert line.isprintable(), repr(line)


@pytest.mark.parametrize(
    "front", ["base_model: 'me/chat'", "base_model: ../x", "base_model: [[a]]"]
)
def test_a_card_that_names_itself_or_nonsense(hub: Hub, front: str) -> None:
    _repo(hub, "me/chat", f"---\n{front}\n---\n# x\n".encode())
    assert load("me/chat").pretraining.tokens is None


def test_continued_pretraining_alone_is_the_least_that_a_model_saw() -> None:
    def said(card: str) -> Pretraining:
        return pretraining(Facts(model="org/Foo-8B", source="directory", card=card))

    added = said("Foo-8B is a continually pretrained Bar 3.1 8B on 30 billion tokens of Danish.\n")
    assert (added.tokens, added.qualifier) == (30 * 10**9, "at_least")
    assert "what the base saw before is not counted" in added.notes[-1]
    whole = said("Foo-8B was pretrained from scratch on 30 billion tokens.\n")
    assert (whole.tokens, whole.qualifier, whole.notes) == (30 * 10**9, "exact", ())
