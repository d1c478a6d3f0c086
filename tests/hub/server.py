"""A local server that speaks the Hub's protocol: API, resolve, ranges, redirects, gates, errors.

It counts what it was asked, and in how many rounds: a request is one round later than the latest
answer that had gone out before it came. With ``latency`` it answers that many seconds late, as a
server far away does. With ``together`` it answers no request of a round before all of that round
have come, so that whether a client waits for an answer too many does not hang on time.
"""

from __future__ import annotations

import json
import math
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from hfkv.dtypes import nbytes
from hfkv.tensors import TensorTable

#: Of ``localhost``, signed by itself, with its key: for tests alone.
CERTIFICATE = Path(__file__).parent / "localhost.pem"
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
    """A model repository: the files of its latest commit, and of others by their hash.

    Attributes:
        files: of ``commit``.
        gated: refused without the hub's token.
        revisions: names that stand for ``commit``.
        older: files of other commits.
        branches: names that stand for other commits.
        whole: whether all headers are given in one answer; "named" also names its commit.
        listed: how many files the repository's page names at most.
        created: when it was made, as the list of models says.
        discussions: what the API answers for ``/discussions``; None where it has no such page.
        history: what it answers for ``/commits/`` and a revision, by that revision.
    """

    files: dict[str, bytes | Sparse]
    gated: bool = False
    revisions: tuple[str, ...] = ("main", COMMIT)
    commit: str = COMMIT
    older: dict[str, dict[str, bytes | Sparse]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    whole: bool | str = False
    listed: int = 10**9
    created: str = "2024-04-17T09:35:12.000Z"
    discussions: Any = None
    history: dict[str, Any] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes | Sparse]] | None:
        """The commit that a revision stands for, and its files."""
        commits = {self.commit: self.files, **self.older}
        found = self.branches.get(revision, revision)
        if revision in self.revisions:
            found = self.commit
        if re.fullmatch(r"[0-9a-f]{7,39}", found):
            found = next((commit for commit in commits if commit.startswith(found)), found)
        return (found, commits[found]) if found in commits else None


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
    #: Old ids of repositories to their new ones.
    renamed: dict[str, str] = field(default_factory=dict)
    latency: float = 0.0
    #: Models on one page of the list.
    page: int = 1000
    #: By kind of request ("api", "resolvers"): how many are allowed in so many seconds.
    quotas: dict[str, tuple[int, float]] = field(default_factory=dict)
    #: Requests that came when none was left.
    refused: int = 0
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)
    #: How many requests each round has; ``apart`` counts those whose round never was complete.
    together: tuple[int, ...] = ()
    apart: int = 0
    #: Looks at a request first; True where it has answered it, in whatever way.
    hook: Callable[[Any], bool] | None = None
    #: By repository and commit, all headers in one answer.
    whole: dict[tuple[str, str], bytes] = field(default_factory=dict)
    #: Headers that a page of another origin may see; None: no such page is let in.
    exposed: str | None = None
    #: Bytes of body that were sent.
    sent: int = 0
    rounds: int = 0
    #: TLS connections that were made.
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    #: Those that connections come on, and the connections.
    sockets: set[socket.socket] = field(default_factory=set)
    _finished: int = 0
    lock: threading.Condition = field(default_factory=threading.Condition)

    @property
    def asked(self) -> list[str]:
        """Paths of the API that were asked for. Files are not among them: one that a call asked for
        ahead and did not need may arrive after the call."""
        with self.lock:
            return [path for _, path, _ in self.requests if path.startswith("/api/")]

    def fall_silent(self) -> tuple[threading.Event, list[str]]:
        """Answer nothing from now on: an event that is set once a request waits, and the paths of
        those that were waited for until the end."""
        waiting = threading.Event()
        outlasted: list[str] = []

        def hook(handler: Any) -> bool:
            waiting.set()
            handler.hang()
            outlasted.append(handler.path)
            return True

        self.hook = hook
        return waiting, outlasted

    def forget(self) -> None:
        """Begin counting anew. What a call asked for and did not wait for counts as before, also if
        it has come and was not read yet."""
        quiet, latest = 0, time.monotonic() + 1
        while quiet < 2 and time.monotonic() < latest:
            with self.lock:
                quiet = 0 if any(map(_unread, self.sockets)) else quiet + 1
            time.sleep(0.002)
        with self.lock:
            self.requests.clear()
            self.sent = self.rounds = self.connections = self._finished = 0

    def arrived(self, method: str, path: str, token: str | None) -> int:
        """Count a request; its round."""
        with self.lock:
            self.requests.append((method, path, token))
            if self.together:
                self._gather(len(self.requests))
                return 0
            mine = self._finished + 1
            self.rounds = max(self.rounds, mine)
        return mine

    def _gather(self, number: int) -> None:
        """Wait until the round of the request of this number is complete."""
        wanted, round_ = 0, 0
        while wanted < number and round_ < len(self.together):
            wanted, round_ = wanted + self.together[round_], round_ + 1
        self.rounds = max(self.rounds, round_ if wanted >= number else round_ + 1)
        self.lock.notify_all()
        if not self.lock.wait_for(lambda: len(self.requests) >= wanted, 20):
            self.apart += 1

    def spend(self, kind: str) -> tuple[bool, dict[str, str]]:
        """Whether a request of this kind is allowed now, and the headers that say what is left."""
        if kind not in self.quotas:
            return True, {}
        quota, window = self.quotas[kind]
        with self.lock:
            now = time.monotonic()
            renewed, used = self._windows.get(kind, (0.0, 0))
            if now >= renewed:
                renewed, used = now + window, 0
            allowed = used < quota
            self._windows[kind] = (renewed, used + allowed)
            self.refused += not allowed
            left = quota - used - allowed
        seconds = max(1, math.ceil(renewed - now))
        return allowed, {
            "RateLimit": f'"{kind}";r={left};t={seconds}',
            "RateLimit-Policy": f'"fixed window";"{kind}";q={quota};w={math.ceil(window)}',
        }

    def answered(self, mine: int) -> None:
        """Note that the answer to a request of round ``mine`` goes out."""
        with self.lock:
            self._finished = max(self._finished, mine)


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
    # As safetensors writes it: without spaces, and with the metadata of a transformers model.
    text = json.dumps({"__metadata__": {"format": "pt"}, **entries}, separators=(",", ":"))
    raw = text.encode() + b" " * (-len(text) % 8)
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


def _unread(open_: socket.socket) -> bool:
    """Whether somebody waits to be let in, or has sent what was not read yet."""
    try:
        return bool(select.select([open_], [], [], 0)[0])
    except (OSError, ValueError):
        return False


class _Headers(dict[str, str]):
    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class _Server(ThreadingHTTPServer):
    request_queue_size = 512

    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no news here."""

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.hub.lock:
            self.hub.sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.hub.lock:
            self.hub.sockets.discard(request)
        super().shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if isinstance(request, ssl.SSLSocket):
            # As far away as the answers are: one round to connect, one for TLS.
            time.sleep(2 * self.hub.latency)
            request.do_handshake()
            with self.hub.lock:
                self.hub.connections += 1
        super().finish_request(request, client_address)


@contextmanager
def serve(hub: Hub, *, secure: bool = False) -> Iterator[Hub]:
    """Run the Hub and its CDN on two loopback ports until the block ends.

    With ``secure`` over TLS, as ``localhost``, by the certificate :data:`CERTIFICATE`.
    """
    servers = [_Server(("127.0.0.1", 0), _handler(hub, cdn)) for cdn in (False, True)]
    for server in servers:
        server.hub = hub
    place = "https://localhost" if secure else "http://127.0.0.1"
    hub.url, hub.cdn = (f"{place}:{server.server_port}" for server in servers)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        for server in servers:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
    hub.sockets.update(server.socket for server in servers)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.stopping.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _handler(hub: Hub, cdn: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 2**16
        disable_nagle_algorithm = True
        at_cdn = cdn
        state = hub
        #: What is left of the budget, with the next answer.
        budget: Mapping[str, str] | None = None

        def log_message(self, *args: Any) -> None:
            pass

        def parse_request(self) -> bool:
            # The base class parses headers as mail, which takes longer than all the rest.
            self.command, self.path, self.request_version = self.raw_requestline.decode(
                "latin-1"
            ).split()
            self.headers = _Headers()  # type: ignore[assignment]
            while line := self.rfile.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                self.headers[name.lower()] = value.strip()
            self.close_connection = self.headers.get("Connection", "") == "close"
            return True

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)

        def end_headers(self) -> None:
            if hub.exposed is not None:
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Access-Control-Expose-Headers", hub.exposed)
            super().end_headers()

        def do_OPTIONS(self) -> None:
            """What a browser asks before it sends a token; nothing of the Hub's own."""
            self.answer(204, b"", {"Access-Control-Allow-Headers": "authorization, range"})

        def answer(
            self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), **(self.budget or {})}.items():
                self.send_header(name, value)
            if "Content-Length" not in (headers or {}):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
                hub.sent += len(body)

        def refuse(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"error": message}).encode()
            self.answer(status, body, {"X-Error-Code": code, "X-Error-Message": message})

        # -- what only a faulty server does ------------------------------------------------

        def reset(self) -> None:
            """End the connection as a crashed machine does."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def hang(self) -> None:
            """Say nothing, until the client goes or the test ends."""
            hub.stopping.wait(20)
            self.close_connection = True

        def drip(self, data: bytes, pause: float) -> None:
            """Send byte by byte."""
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if hub.stopping.wait(pause):
                    return

        def raw(self, data: bytes) -> None:
            """Send these bytes, whatever they are, and close."""
            self.wfile.write(data)
            self.wfile.flush()
            self.close_connection = True

        # -- the protocol ------------------------------------------------------------------

        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            mine = hub.arrived(self.command, self.path, given)
            if cdn and given:
                hub.cdn_tokens.append(given)
            if hub.latency:
                time.sleep(hub.latency)
            hub.answered(mine)
            try:
                if hub.quotas and not cdn:
                    kind = "api" if self.path.startswith("/api/") else "resolvers"
                    allowed, self.budget = hub.spend(kind)
                    if not allowed:
                        self.answer(429, b"{}")
                        return
                if hub.hook is None or not hub.hook(self):
                    self.protocol()
                self.wfile.flush()
            except OSError:
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815

        def protocol(self) -> None:
            path = self.path
            if cdn:
                name, _, rest = path.removeprefix("/cdn/").partition("//")
                commit, _, file = rest.partition("/")
                found = hub.repos[name].at(commit)
                assert found is not None
                self.send_file(found[1][unquote(file)])
            elif hub.fault == "500":
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
            elif path.startswith("/api/models?"):
                self.models(parse_qs(urlsplit(path).query))
            elif match := re.fullmatch(r"/api/models/(.+?)/safetensors-metadata/(.+)", path):
                self.whole(match[1])
            elif match := re.fullmatch(r"/api/models/(.+?)/tree/([^/?]+)(?:\?(.*))?", path):
                self.tree(match[1], unquote(match[2]), match[3] or "")
            elif match := re.fullmatch(r"/api/models/(.+?)/revision/([^/?]+)", path):
                self.info(match[1], unquote(match[2]))
            elif match := re.fullmatch(r"/api/models/(.+?)/(discussions|commits)[/?](.+)", path):
                self.pages(match[1], match[2], unquote(match[3]))
            elif match := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
                self.resolve(match[1], unquote(match[2]), unquote(match[3]))
            else:
                self.refuse(404, "RepoNotFound", "Repository not found")

        def models(self, query: dict[str, list[str]]) -> None:
            """A page of the list of models, as the Hub's API has it."""
            wanted = query.get("author", [None])[0]
            names = [
                name
                for name in hub.repos
                if wanted in (None, name.partition("/")[0])
                and query.get("search", [""])[0].lower() in name.lower()
            ]
            begin = int(query.get("cursor", ["0"])[0])
            end = begin + min(int(query.get("limit", ["1000"])[0]), hub.page)
            page = [
                {
                    "id": name,
                    "sha": hub.repos[name].commit,
                    "createdAt": hub.repos[name].created,
                }
                for name in names[begin:end]
            ]
            headers = {}
            if end < len(names):
                rest = {key: values[0] for key, values in query.items()} | {"cursor": str(end)}
                headers["Link"] = f'<{hub.url}/api/models?{urlencode(rest)}>; rel="next"'
            self.answer(200, json.dumps(page).encode(), headers)

        def repo(self, name: str, revision: str) -> tuple[str, dict[str, bytes | Sparse]] | None:
            if name in hub.renamed:
                target = self.path.replace(name, hub.renamed[name], 1)
                self.answer(307, b"", {"Location": target})
                return None
            repo = hub.repos.get(name)
            if repo is None:
                self.refuse(401, "RepoNotFound", "Repository not found")
                return None
            if repo.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.refuse(401, "GatedRepo", f"Access to model {name} is restricted")
                return None
            found = repo.at(revision)
            if found is None:
                self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return found

        def info(self, name: str, revision: str) -> None:
            found = self.repo(name, revision)
            if found is not None:
                names = list(found[1])[: hub.repos[name].listed]
                siblings = [{"rfilename": file} for file in names]
                created = hub.repos[name].created
                body = {"id": name, "sha": found[0], "createdAt": created, "siblings": siblings}
                self.answer(200, json.dumps(body).encode())

        def tree(self, name: str, revision: str, query: str) -> None:
            found = self.repo(name, revision)
            if found is None:
                return
            begin = int(re.findall(r"cursor=(\d+)", query + "&cursor=0")[0])
            names = sorted(found[1])
            page = [
                {"type": "file", "path": file, "size": _size(found[1][file]), "oid": "0" * 40}
                for file in names[begin : begin + 1000]
            ]
            headers = {}
            if begin + 1000 < len(names):
                following = f"{hub.url}/api/models/{name}/tree/{revision}"
                headers["Link"] = f'<{following}?recursive=true&cursor={begin + 1000}>; rel="next"'
            self.answer(200, json.dumps(page).encode(), headers)

        def whole(self, name: str) -> None:
            found = self.repo(name, "main")
            if found is None:
                return
            index = found[1].get("model.safetensors.index.json")
            if not hub.repos[name].whole or not isinstance(index, bytes):
                self.refuse(404, "EntryNotFound", "Entry not found")
                return
            named = hub.repos[name].whole == "named"
            said = {"X-Repo-Commit": found[0]} if named else {}
            if (name, found[0]) in hub.whole:
                self.answer(200, hub.whole[name, found[0]], said)
                return
            headers = b",".join(
                json.dumps(file).encode() + b":" + content.head[8:]
                for file, content in found[1].items()
                if isinstance(content, Sparse)
            )
            kept = json.dumps({"metadata": json.loads(index)["metadata"]}).encode()
            hub.whole[name, found[0]] = b'{"index":' + kept + b',"headers":{' + headers + b"}}"
            self.answer(200, hub.whole[name, found[0]], said)

        def pages(self, name: str, kind: str, rest: str) -> None:
            if self.repo(name, "main") is None:
                return
            repo = hub.repos[name]
            answer = repo.discussions if kind == "discussions" else repo.history.get(rest)
            if answer is None:
                self.refuse(404, "EntryNotFound", "No such page")
            else:
                self.answer(200, json.dumps(answer).encode())

        def resolve(self, name: str, revision: str, file: str) -> None:
            found = self.repo(name, revision)
            if found is None:
                return
            commit, files = found
            content = files.get(file)
            if content is None:
                self.refuse(404, "EntryNotFound", "Entry not found")
            elif isinstance(content, Sparse):
                target = f"{hub.cdn}/cdn/{name}//{commit}/{file}"
                linked = {"X-Linked-Size": str(content.size), "X-Linked-Etag": '"abc"'}
                headers = {"Location": target, "X-Repo-Commit": commit, **linked}
                self.answer(302, b"", headers)
            else:
                self.answer(200, content, {"X-Repo-Commit": commit, "ETag": '"abc"'})

        def send_file(self, content: bytes | Sparse) -> None:
            assert isinstance(content, Sparse)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted is None or hub.fault == "no ranges":
                # The whole file is announced, as by a server that ignores ranges.
                self.send_response(200)
                self.send_header("Content-Length", str(content.size))
                self.end_headers()
                for begin in range(0, content.size, 2**20):
                    self.wfile.write(content.read(begin, begin + 2**20))
                    hub.sent += 2**20
                return
            begin, end = int(wanted[1]), min(int(wanted[2]) + 1, content.size)
            if begin >= content.size:
                self.answer(416, b"", {"Content-Range": f"bytes */{content.size}"})
                return
            headers = {"Content-Range": f"bytes {begin}-{end - 1}/{content.size}"}
            if hub.fault == "truncated":
                headers["Content-Length"] = str(end - begin)
                self.answer(206, content.read(begin, begin + 10), headers)
                self.close_connection = True
                return
            self.answer(206, content.read(begin, end), headers)

    return Handler


def _size(content: bytes | Sparse) -> int:
    return content.size if isinstance(content, Sparse) else len(content)
