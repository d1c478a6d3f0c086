"""Labels that count tokens, and labels that count something else, in four layouts."""

from __future__ import annotations

import pytest

from hfkv.pretraining import read_card

T = 10**12

#: (label, value of Foo-7B, what it says; None for nothing).
LABELS: list[tuple[str, str, int | None]] = [
    ("Training tokens", "2T", 2 * T),
    ("Train tokens", "2T", 2 * T),
    ("Pretrain tokens", "2T", 2 * T),
    ("Pre-train Tokens", "2T", 2 * T),
    ("Tokens trained", "2T", 2 * T),
    ("Trained Tokens", "2T", 2 * T),
    ("Tokens", "2T", 2 * T),
    ("# Tokens", "2T", 2 * T),
    ("#Tokens", "2T", 2 * T),
    ("No. of tokens", "2T", 2 * T),
    ("Number of tokens", "2T", 2 * T),
    ("Token count", "2T", 2 * T),
    ("Total tokens", "2T", 2 * T),
    ("Total Training Tokens", "2T", 2 * T),
    ("Training Tokens (T)", "2", 2 * T),
    ("Tokens (billions)", "2000", 2 * T),
    ("Tokens (B)", "2,000", 2 * T),
    ("Tokens [T]", "2.0", 2 * T),
    ("Tokens / T", "2", 2 * T),
    ("Training tokens (in trillions)", "2", 2 * T),
    ("Training data (tokens)", "2T", 2 * T),
    ("Training Data (T tokens)", "2", 2 * T),
    ("Pretraining data", "2T tokens", 2 * T),
    ("Training data", "2 trillion tokens", 2 * T),
    ("Pretraining corpus (tokens)", "2T", 2 * T),
    ("Data size (tokens)", "2T", None),
    ("Max tokens", "2T", None),
    ("Context (tokens)", "10M", None),
    ("Vocab (tokens)", "10M", None),
    ("Tokens/s", "10M", None),
    ("Tokens per batch", "16M", None),
    ("Batch size (tokens)", "16M", None),
    ("Tokens in dataset", "2T", None),
    ("Fine-tuning tokens", "2B", None),
    ("SFT tokens", "2B", None),
    ("Unique tokens", "2T", None),
    ("Disk use", "2T", None),
    ("Largest input", "2T", None),
    ("Image tokens", "20M", None),
    ("Output tokens", "10M", None),
    ("Price per 1M tokens", "10M", None),
    ("Training time", "2T", None),
    ("训练数据（tokens）", "2T", 2 * T),
    ("训练 Token 数", "2T", 2 * T),
    ("预训练 tokens", "2T", 2 * T),
    ("上下文 tokens", "10M", None),
    ("学習トークン数", "2T", 2 * T),
    ("학습 토큰", "2T", 2 * T),
    ("Tokens d'entraînement", "2T", 2 * T),
    ("Tokens de entrenamiento", "2T", 2 * T),
    ("Trainingstokens", "2T", 2 * T),
    ("Pretrained on", "2T tokens", 2 * T),
    ("Seen tokens", "2T", 2 * T),
]


def _table(*rows: list[str]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


@pytest.mark.parametrize(("label", "value", "tokens"), LABELS)
def test_a_label_in_every_layout(label: str, value: str, tokens: int | None) -> None:
    other = value.replace("2", "3")
    cards = {
        "column": _table(
            ["Model", "Params", label], ["Foo-7B", "7B", value], ["Foo-70B", "70B", other]
        ),
        "row": _table(["", "Foo-7B", "Foo-70B"], ["Layers", "32", "80"], [label, value, other]),
        "properties": _table(["Property", "Value"], ["Layers", "32"], [label, value]),
        "field": f"- **{label}**: {value}\n- **Layers**: 32",
        "html": "<table><tr><td>Layers</td><td>32</td></tr>"
        f"<tr><td>{label}</td><td>{value}</td></tr></table>",
    }
    said = {
        name: read_card(card, model="org/Foo-7B").statement.tokens for name, card in cards.items()
    }
    assert said == dict.fromkeys(cards, tokens)
