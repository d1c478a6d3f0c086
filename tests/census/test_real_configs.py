"""Published configs: equal to what the real class holds, or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hfkv.cache import kv_cache, plan
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.recognition import recognize
from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.reading import parse_json_object
from tests.cache.test_goldens import planned
from tests.census.small import Live, shrink

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "configs"
FILES = sorted(FOLDER.glob("*.json"))

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not FILES, reason="no published configs beside the checkout"),
]
#: Windows beyond this are shortened before the model is run; hybrids read token by token.
LONGEST = 64
LAYERS = 12
#: An encoder's output, for what attends to one.
ENCODER = 11
WINDOWS = ("sliding_window", "attention_chunk_size", "sliding_window_size")


def smaller(raw: dict[str, Any], text: str) -> dict[str, Any]:
    """A dozen layers at most, and windows that few tokens fill."""
    copied = shrink(shrink(raw, text, LAYERS), "", LAYERS)
    for part in (copied, *(copied[key] for key in text.split(".")[:1] if key in copied)):
        for key in WINDOWS:
            value = part.get(key) if isinstance(part, dict) else None
            if isinstance(value, int) and not isinstance(value, bool) and value > LONGEST:
                part[key] = LONGEST
    return copied


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_equal_or_refused(path: Path) -> None:
    try:
        raw = parse_json_object(path.read_bytes(), where=path.stem)
        config = Config(raw, where=path.stem)
        facts = Facts(model=path.stem, source="directory", config=raw)
        encoder = ENCODER if recognize(facts).plan.crosses else None
        kv_cache(facts, tokens=10, dtype="bf16", encoder_tokens=encoder)
    except HfkvError as error:
        pytest.skip(f"refused: {error}")
    if config.cls is None or not config.cls.architectures:
        pytest.skip(f"transformers has no class for {config.model_type}")
    raw = {**raw, "model_type": config.model_type}
    live = Live(config.cls.text)
    # What fewer layers make inconsistent is compared as it is.
    for candidate in (smaller(raw, live.text), raw):
        try:
            bends = TRANSFORMERS.bends(plan(Config(candidate, where="")))
            tokens = min(max([20, *(bend + 2 for bend in bends)]), 200)
            theirs = live(candidate, tokens, encoder)
        except Exception as error:
            reason = f"the class itself raises: {error}"
            continue
        assert planned(candidate, tokens, encoder) == theirs
        return
    pytest.skip(reason)
