"""The local Hub in a process of its own, so that it takes no time from the client's.

``python -m tests.benchmarks.hub_process MODEL [--whole] [--tls] [--latency S]``: prints its
address, then answers each line ``stats`` on stdin with what was asked since the last one, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys

from hfkv.source.snapshot import read_snapshot
from tests.hub.server import COMMIT, Hub, Repo, serve, sharded

#: Model to the number of its shards on the Hub.
MODELS = {"meta-llama/Meta-Llama-3-70B": 30, "deepseek-ai/DeepSeek-V3": 163}
CARD = b"---\nlicense: other\n---\nIt was pretrained on over 15 trillion tokens of public data.\n"


def repo(model: str, *, whole: bool) -> Repo:
    """The model as the Hub has it: real config, names and shapes; no data."""
    files = read_snapshot(model)
    assert files.tensors is not None
    return Repo(
        files={
            "config.json": files.texts["config.json"],
            "generation_config.json": b"{}",
            "README.md": CARD,
            "tokenizer_config.json": b"{}",
            **sharded(files.tensors, MODELS[model]),
        },
        whole=whole,
    )


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--latency", type=float, default=0.05)
    options = parser.parse_args()
    hub = Hub(repos={options.model: repo(options.model, whole=options.whole)})
    hub.latency = options.latency
    with serve(hub, secure=options.tls):
        print(json.dumps({"url": hub.url, "commit": COMMIT}), flush=True)
        for _ in sys.stdin:
            stats = {
                "requests": len(hub.requests),
                "connections": hub.connections,
                "rounds": hub.rounds,
                "bytes": hub.sent,
            }
            hub.forget()
            print(json.dumps(stats), flush=True)


if __name__ == "__main__":
    main()
