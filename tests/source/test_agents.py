"""Agents are known as huggingface_hub knows them, of whatever version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hfkv.source.agents import is_agent, registry

ASK = (
    "import json\n"
    "from huggingface_hub import constants\n"
    "from hfkv.source.agents import registry\n"
    "print(json.dumps([getattr(constants, 'AGENT_HARNESSES_PATH', registry()), registry()]))\n"
)


@pytest.mark.parametrize(
    "set_to", [{}, {"HF_HOME": "/a/b"}, {"HF_HOME": "~/c"}, {"XDG_CACHE_HOME": "/d"}], ids=str
)
def test_the_registry_is_where_huggingface_hub_keeps_it(set_to: dict[str, str]) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("HF_HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**kept, **set_to}, capture_output=True, check=True
    )
    theirs, ours = json.loads(done.stdout)
    assert Path(ours) == Path(theirs)


def test_a_variable_is_enough_and_nothing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_agent()
    monkeypatch.setenv("AGENT", "some")
    assert is_agent()


def test_a_registry_that_is_there_is_consulted(monkeypatch: pytest.MonkeyPatch) -> None:
    detect = pytest.importorskip("huggingface_hub.utils._detect_agent")
    Path(registry()).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(detect, "is_agent", lambda: True)
    assert is_agent()


def test_a_huggingface_hub_without_one_knows_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.utils

    Path(registry()).write_text("{}", encoding="utf-8")
    monkeypatch.delattr(huggingface_hub.utils, "_detect_agent", raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils._detect_agent", None)
    assert not is_agent()
