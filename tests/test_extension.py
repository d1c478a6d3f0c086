"""hfkv as an extension of the ``hf`` command: ``hf kv ...``, as huggingface_hub installs one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub.cli.extensions", reason="`hf` has no extensions before 1.7")

BIN = Path(sys.executable).parent


@pytest.mark.posix  # hf looks for its extensions below HOME, which Windows does not heed
def test_hf_kv_is_found_and_answers(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "share" / "hf" / "extensions" / "hf-kv"
    folder.mkdir(parents=True)
    # What ``hf extensions install OWNER/hf-kv`` leaves: a manifest that names the script.
    manifest = {
        "owner": "hfkv",
        "repo": "hf-kv",
        "repo_id": "hfkv/hf-kv",
        "short_name": "kv",
        "executable_path": str(BIN / "hf-kv"),
        "type": "python",
        "installed_at": "2026-01-01T00:00:00+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    hf = [sys.executable, "-c", "from huggingface_hub.cli.hf import main; main()"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*hf, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        )

    ran = run("kv", "compare", "meta-llama/Meta-Llama-3-70B", "-q")
    assert (ran.returncode, ran.stdout.strip()[:5]) == (0, "39.55"), ran.stderr
    # It is called as one types it.
    assert run("kv", "lora", "--help").stdout.startswith("Usage: hf kv lora [OPTIONS] MODEL")
    assert "Usage: hf kv [OPTIONS]" in run("kv", "loar").stderr
