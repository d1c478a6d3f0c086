"""An answer from this machine imports nothing of the network's part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What only a fetch over the network needs.
NETWORK = ("urllib3", "http.client", "ssl", "hfkv.source.session", "hfkv.source.connections",
           "hfkv.source.hub", "hfkv.source.repository", "hfkv.source.workers")  # fmt: skip
LLAMA = "meta-llama/Meta-Llama-3-70B"


def _imported(model: str, environment: dict[str, str], source: str = "auto") -> set[str]:
    """The modules that a fetch has imported in a process of its own."""
    code = (
        "import sys, json\n"
        "from hfkv.source import fetch\n"
        f"fetch({model!r}, source={source!r})\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("kind", ["snapshot", "directory", "offline"])
def test_an_answer_from_this_machine_imports_no_network(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    if kind == "snapshot":
        found = _imported(LLAMA, environment, "snapshot")
    else:
        found = _imported(str(tmp_path) if kind == "directory" else LLAMA, environment)
    assert found.isdisjoint(NETWORK)
    unwanted = {"importlib.resources", "huggingface_hub"} if kind != "offline" else set()
    assert found.isdisjoint(unwanted)
    if kind != "directory":
        # Readers of files that are not here.
        assert found.isdisjoint({"hfkv.source.gguf", "hfkv.source.safetensors_header"})
    if kind != "offline":
        assert "hfkv.source.store" not in found
