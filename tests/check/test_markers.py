"""Where code is in Markdown: what is told line by line is what a parser says."""

from __future__ import annotations

import random

import pytest

from hfkv.check import markers
from hfkv.check.markers import code_of, inside

MARK = "<!-- hfkv: X -->"
LINES = [
    "text X", "    X", "```", "~~~", "````", "``` a", "``` a`b", "~~~ `", "- item X", "  X",
    "      X", "> X", "> ```", "", "", "", "  ```", "    ```", "1. x X", "\tX", "- ```", "# h X",
    "`a` X `b`", "a ` X", "X ` b", "`` ` `` X", "\\`X\\`", "<div>", "</div>", "<!-- c -->",
    "<!-- open", "X", "| a | `X` |", "---", "   ```", "``X`", "`X", "a\r", "<br>X", "~~~~", "* ```",
    "``` X ```", "X\r", "```\r",
]  # fmt: skip


def _meant(text: str) -> list[int]:
    code = code_of.__wrapped__(text)
    places = [at for at in range(len(text)) if text.startswith(MARK, at)]
    return [at for at in places if not inside(code, at)]


@pytest.mark.parametrize("seed", range(4))
def test_the_quick_way_says_what_the_parser_says(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    quick = 0
    for _ in range(1500):
        lines = [chance.choice(LINES) for _ in range(chance.randint(1, 9))]
        text = "\n".join(lines).replace("X", MARK)
        if markers._plain_code(text) is None:
            continue
        quick += 1
        found = _meant(text)
        with monkeypatch.context() as patch:
            patch.setattr(markers, "_plain_code", lambda text: None)
            assert _meant(text) == found, text
    assert quick > 200


def test_most_documents_need_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"# A\n\nsee `b` {MARK}\n\n```sh\n{MARK}\n```\n\n- `c` {MARK}\n\n| `d` | {MARK} |\n"
    assert markers._plain_code(text) is not None
    assert len(_meant(text)) == 3
