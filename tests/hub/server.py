"""A local server that speaks the Hub's protocol: API, resolve, ranges, redirects, gates, errors."""

from __future__ import annotations

import json
import re
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from hfkv.dtypes import nbytes
from hfkv.tensors import TensorTable

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Sparse:
    """A large file of which only the head is kept: the rest is zeros, made when asked for."""

    head: bytes
    size: int

    def read(self, begin: int, end: int) -> bytes:
        end = min(end, self.size)
        part = self.head[begin:end]
        return part + bytes(max(0, end - begin - len(part)))


@dataclass
class Repo:
    """A model repository at one commit."""

    files: dict[str, bytes | Sparse]
    gated: bool = False
    revisions: tuple[str, ...] = ("main", COMMIT)
    #: Files of other commits, and names that stand for those.
    older: dict[str, dict[str, bytes | Sparse]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    #: What the API answers for ``/discussions`` and for the commits of a revision.
    discussions: Any = None
    commits: dict[str, Any] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes | Sparse]] | None:
        """The commit that a revision stands for, and its files."""
        if revision in self.revisions:
            return COMMIT, self.files
        found = self.branches.get(revision, revision)
        return (found, self.older[found]) if found in self.older else None


@dataclass
class Hub:
    """The server's state: repositories, the token it accepts, and what it was asked."""

    repos: dict[str, Repo] = field(default_factory=dict)
    token: str = "hf_test"
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    cdn_tokens: list[str] = field(default_factory=list)
    fault: str = ""
    url: str = ""
    cdn: str = ""


def safetensors(table: TensorTable) -> Sparse:
    """A safetensors file with these tensors and no data."""
    entries: dict[str, Any] = {}
    offset = 0
    for tensor in table:
        size = nbytes(tensor.elements, tensor.dtype)
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    raw = json.dumps(entries).encode()
    return Sparse(struct.pack("<Q", len(raw)) + raw, 8 + len(raw) + offset)


def sharded(table: TensorTable, shards: int) -> dict[str, bytes | Sparse]:
    """The same in several files, with their index."""
    tensors = list(table)
    per = -(-len(tensors) // shards)
    files: dict[str, bytes | Sparse] = {}
    weight_map = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = tensors[number * per : (number + 1) * per]
        files[name] = safetensors(TensorTable(part))
        weight_map.update({tensor.name: name for tensor in part})
    index = {"metadata": {"total_size": table.bytes}, "weight_map": weight_map}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the Hub and its CDN on two loopback ports until the block ends."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, cdn)) for cdn in (False, True)]
    hub.url, hub.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _handler(hub: Hub, cdn: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def answer(
            self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def refuse(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"error": message}).encode()
            self.answer(status, body, {"X-Error-Code": code, "X-Error-Message": message})

        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            hub.requests.append((self.command, self.path, given))
            if cdn:
                if given:
                    hub.cdn_tokens.append(given)
                self.send_file(*self.path.removeprefix("/cdn/").split("//", 2))
                return
            if hub.fault == "500":
                self.refuse(500, "InternalError", "oops")
            elif hub.fault == "429":
                self.answer(429, b"{}", {"Retry-After": "7"})
            elif hub.fault == "sign-in":
                self.answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})
            elif hub.fault == "long error":
                self.answer(500, b"x" * 2**22)
            elif hub.fault == "gzip":
                self.answer(200, b"\x1f\x8b" + bytes(100), {"Content-Encoding": "gzip, gzip"})
            elif hub.fault == "entry":
                self.refuse(404, "EntryNotFound", "Entry not found")
            elif hub.fault == "garbage":
                self.answer(200, b'{"sha": 5, "siblings": "no"}')
            elif match := re.fullmatch(r"/api/models/(.+)/revision/([^/?]+)", self.path):
                self.info(match[1], unquote(match[2]))
            elif match := re.fullmatch(
                r"/api/models/(.+)/(discussions|commits)[/?](.+)", self.path
            ):
                self.pages(match[1], match[2], unquote(match[3]))
            elif match := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", self.path):
                self.resolve(match[1], unquote(match[2]), unquote(match[3]))
            else:
                self.refuse(404, "RepoNotFound", "Repository not found")

        do_HEAD = do_GET  # noqa: N815

        def repo(self, name: str, revision: str) -> Repo | None:
            repo = hub.repos.get(name)
            if repo is None:
                self.refuse(401, "RepoNotFound", "Repository not found")
                return None
            if repo.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.refuse(401, "GatedRepo", f"Access to model {name} is restricted")
                return None
            if repo.at(revision) is None:
                self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                return None
            return repo

        def info(self, name: str, revision: str) -> None:
            repo = self.repo(name, revision)
            if repo is not None:
                commit, files = repo.at(revision) or (COMMIT, {})
                siblings = [{"rfilename": file} for file in files]
                body = {"id": name, "sha": commit, "siblings": siblings}
                self.answer(200, json.dumps(body).encode())

        def resolve(self, name: str, revision: str, file: str) -> None:
            repo = self.repo(name, revision)
            if repo is None:
                return
            commit, files = repo.at(revision) or (COMMIT, {})
            content = files.get(file)
            if content is None:
                self.refuse(404, "EntryNotFound", "Entry not found")
            elif isinstance(content, Sparse):
                target = f"{hub.cdn}/cdn/{name}//{commit}//{file}"
                self.answer(302, b"", {"Location": target, "X-Repo-Commit": commit})
            else:
                self.answer(200, content, {"X-Repo-Commit": commit, "ETag": '"abc"'})

        def pages(self, name: str, kind: str, rest: str) -> None:
            repo = hub.repos[name]
            answer = repo.discussions if kind == "discussions" else repo.commits.get(rest)
            if answer is None:
                self.refuse(404, "EntryNotFound", "No such page")
            else:
                self.answer(200, json.dumps(answer).encode())

        def send_file(self, name: str, commit: str, file: str) -> None:
            content = (hub.repos[name].at(commit) or ("", {}))[1][unquote(file)]
            assert isinstance(content, Sparse)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted is None or hub.fault == "no ranges":
                # The whole file is announced, as by a server that ignores ranges.
                self.send_response(200)
                self.send_header("Content-Length", str(content.size))
                self.end_headers()
                try:
                    for begin in range(0, content.size, 2**20):
                        self.wfile.write(content.read(begin, begin + 2**20))
                except OSError:
                    self.close_connection = True
                return
            begin, end = int(wanted[1]), min(int(wanted[2]) + 1, content.size)
            if hub.fault == "truncated":
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{content.size}")
                self.send_header("Content-Length", str(end - begin))
                self.end_headers()
                self.wfile.write(content.read(begin, begin + 10))
                self.close_connection = True
                return
            self.answer(
                206,
                content.read(begin, end),
                {"Content-Range": f"bytes {begin}-{end - 1}/{content.size}"},
            )

    return Handler
