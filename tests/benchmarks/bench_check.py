"""Whole-process time of `hfkv check` on ten locked models and fifty files, as a ratio to importing
click.

Run as `python tests/benchmarks/bench_check.py`; prints medians of interleaved runs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

RUNS = 15
#: Seconds in all, and the ratio that this is on the project's machine.
AIM = 0.3
#: Dense models and mixtures of experts, small and large.
MODELS = """Qwen/Qwen3-8B Qwen/Qwen3-32B meta-llama/Meta-Llama-3-70B openai/gpt-oss-20b
    meta-llama/Llama-3.1-8B-Instruct google/gemma-3-27b-it mistralai/Mixtral-8x7B-v0.1
    microsoft/phi-4 mistralai/Mistral-7B-v0.1 HuggingFaceTB/SmolLM3-3B""".split()
#: Checkpoints that hold each expert by itself, 19,000 and 92,000 tensors: what one of them adds.
LARGE = ("Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3")


def build(root: Path, models: Sequence[str] = MODELS) -> None:
    """Ten adapters, ten training configs of two kinds, ten documents with ten claims each, ten
    other YAML and ten other JSON files, and a budget for each model."""
    (root / ".git").mkdir()
    budgets = []
    for number, model in enumerate(models):
        targets = ["q_a_proj", "o_proj"] if "DeepSeek" in model else ["o_proj"]
        adapter = {"peft_type": "LORA", "base_model_name_or_path": model, "r": 16}
        folder = root / f"adapters/{number}"
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text(
            json.dumps({**adapter, "target_modules": targets}, indent=1)
        )
        names = "".join(f"  - {name}\n" for name in targets)
        text = f"base_model: {model}\nadapter: lora\nlora_r: 8\nlora_target_modules:\n{names}"
        (root / f"axolotl-{number}.yml").write_text(text)
        claims = "".join(
            f"At {tokens}k it takes <!-- hfkv: kv {model} --tokens {tokens}k -->0 GB"
            "<!-- /hfkv -->, as `hfkv kv` says.\n\n"
            for tokens in range(1, 11)
        )
        (root / f"doc-{number}.md").write_text(f"# {model}\n\n{claims}")
        (root / f"other-{number}.yaml").write_text("services: {web: {image: nginx}}\n")
        (root / f"other-{number}.json").write_text(json.dumps({"a": [1, 2, 3]}))
        budgets.append(f'[[budget]]\nmodel = "{model}"\ntokens = "32k"\nkv-cache = "1TB"\n')
    (root / "hfkv.toml").write_text("\n".join(budgets))
    hfkv(root, "lock", "--source", "snapshot", "-q")
    hfkv(root, "check", "--fix", "-q")


def hfkv(root: Path, *arguments: str) -> int:
    """Run the command: its exit code."""
    command = [sys.executable, "-m", "hfkv", *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    # As it is where it is installed: compiled once.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, check=False
    ).returncode


def measure(root: Path, runs: int = RUNS) -> tuple[float, float]:
    """Median seconds of importing click and of the check, their runs interleaved."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import click"], check=True)
        middle = time.perf_counter()
        assert hfkv(root, "check", "-q") == 0
        end = time.perf_counter()
        if run:  # the first run warms the file cache
            times[0].append(middle - start)
            times[1].append(end - middle)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    """Print the medians and the ratios."""
    for models in (MODELS, *([*MODELS[1:], name] for name in LARGE)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            build(root, models)
            base, seconds = measure(root)
        added = "" if models is MODELS else f" with {models[-1]}"
        print(
            f"import click {1000 * base:.1f} ms, hfkv check {1000 * seconds:.1f} ms: "
            f"{seconds / base:.2f}x (aim {AIM} s){added}"
        )


if __name__ == "__main__":
    main()
