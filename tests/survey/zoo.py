"""Many repositories of the local Hub, made from the bundled snapshots, with faults among them.

``python -m tests.survey.zoo COUNT [--latency S]`` serves them in a process of its own: it prints
its address, then answers each line on stdin with what was asked since the last one, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from typing import Any

from hfkv.source.snapshot import read_snapshot
from tests.hub.server import Hub, Repo, Sparse, safetensors, serve, sharded

#: Small enough to make in no time, and of every kind of figure.
BASES = (
    "EleutherAI/pythia-410m",
    "HuggingFaceTB/SmolLM3-3B",
    "Qwen/Qwen2.5-3B-Instruct",
    "mistralai/Mistral-7B-v0.1",
    "openai-community/gpt2",
    "meta-llama/Llama-2-7b-hf",
)


@cache
def base(name: str) -> dict[str, bytes | Sparse]:
    """The files of one of :data:`BASES`; every second one in shards."""
    files = read_snapshot(name)
    assert files.tensors is not None
    found: dict[str, bytes | Sparse] = {"config.json": files.texts["config.json"]}
    if BASES.index(name) % 2:
        return {**found, **sharded(files.tensors, 3)}
    return {**found, "model.safetensors": safetensors(files.tensors)}


def commit(number: int, moved: bool = False) -> str:
    """The commit of a repository, before and after somebody pushed to it."""
    return f"{number:08x}" * 5 if not moved else f"{number + 2**28:08x}" * 5


def repo(number: int, *, moved: bool = False) -> Repo:
    """A repository: one of the bases with a card and a year of its own, or with a fault."""
    files = dict(base(BASES[number % len(BASES)]))
    said = b"It was pretrained on %d trillion tokens of text and code."
    files["README.md"] = b"# A model\n\n" + said % (tokens(number, moved) // 10**12)
    if number % 17 == 5:
        files["config.json"] = b"{"
    elif number % 19 == 7:
        config = json.loads(bytes(files["config.json"]))  # type: ignore[arg-type]
        files["config.json"] = json.dumps({**config, "model_type": "nobody_knows"}).encode()
    at = commit(number, moved)
    return Repo(
        files=files,
        gated=number % 23 == 11,
        commit=at,
        revisions=("main", at),
        created=f"{2019 + number % 7}-03-01T00:00:00.000Z",
    )


def tokens(number: int, moved: bool = False) -> int:
    """What its card says that it saw."""
    return (number % 12 + 3 + moved) * 10**12


def name(number: int) -> str:
    """Its id."""
    return f"org{number % 3}/model-{number}"


def zoo(count: int) -> Hub:
    """The Hub; what is renamed or was deleted is asked for by :func:`ids` as well."""
    hub = Hub(repos={name(number): repo(number) for number in range(count)})
    hub.renamed = {"org0/old-name": name(0)}
    return hub


def ids(count: int) -> list[str]:
    """What is asked about: all of them, one renamed, one deleted, one that is no id."""
    return [*map(name, range(count)), "org0/old-name", "org0/deleted", "not an id!"]


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as any two surveys of the same models have them, whoever read them when: without the
    place that a model was read from, which the second time is the store."""
    return [{**row, "source": row["source"] and "hub"} for row in rows]


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    hub = zoo(options.count)
    hub.latency = options.latency
    with serve(hub):
        print(hub.url, flush=True)
        for _ in sys.stdin:
            print(json.dumps({"requests": len(hub.requests)}), flush=True)
            hub.forget()


if __name__ == "__main__":
    main()
