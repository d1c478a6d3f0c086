"""The machine around it: interrupted, offline, without room, behind a proxy."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError, NetworkError
from hfkv.source import fetch, overlap
from hfkv.source.connections import _proxy_for, tls
from hfkv.source.origin import Origin, origin_of
from hfkv.source.session import _most_connections
from tests.conftest import LLAMA
from tests.hub.server import Hub, Repo, safetensors
from tests.source.test_rounds import _table
from tests.source.test_tls import _copy

Run = Callable[..., tuple[int, str, str]]


def _start(hub: Hub, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": "hf_test",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "hfkv", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have it ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.posix
@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
def test_ctrl_c_at_any_moment_ends_with_130(hub: Hub, home: Path, after: float) -> None:
    hub.latency = 0.3
    with _start(hub, home, "compare", LLAMA, LLAMA, "--source", "hub") as process:
        # From the moment that the command's own code runs; before it, Python itself is starting.
        deadline = time.monotonic() + 30
        maps = Path(f"/proc/{process.pid}/cmdline")
        while time.monotonic() < deadline and not (maps.exists() and "hfkv" in maps.read_text()):
            time.sleep(0.005)
        time.sleep(0.3 + after)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    if process.returncode != 0:  # it was faster than the interrupt
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert "Aborted" in err
        assert out == ""
    assert not list(home.rglob(".writing-*"))


@pytest.mark.posix
def test_ctrl_c_while_a_server_hangs(hub: Hub, home: Path) -> None:
    arrived, answered = hub.fall_silent()
    with _start(hub, home, "kv", LLAMA) as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    # It ended while the server still said nothing.
    assert answered == []
    assert process.returncode == 130
    assert err.strip() == "Aborted."


#: Begun as the command begins, with something else to run: a wait for what never comes.
_WAITING = """
import hfkv.cli
from hfkv.__main__ import main
from hfkv.source.workers import Workers

def run():
    import signal, threading, time, weakref
    never = Workers(1).submit(threading.Event().wait)
    {interrupt}
    never.result()

hfkv.cli.main = run
main()
"""
#: It comes while Python calls back, where what is raised is only printed.
_IN_A_CALLBACK = """
    kept = Workers(1)
    watched = weakref.ref(kept, lambda _: signal.raise_signal(signal.SIGINT))
    del kept
"""
#: It is taken by another thread, so that the wait goes on.
_BESIDE_THE_WAIT = """
    def interrupt():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        time.sleep(0.3)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    threading.Thread(target=interrupt, daemon=True).start()
"""


@pytest.mark.posix
@pytest.mark.parametrize("interrupt", [_IN_A_CALLBACK, _BESIDE_THE_WAIT])
def test_a_ctrl_c_that_python_drops_is_not_lost(interrupt: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WAITING.format(interrupt=interrupt)],
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (130, "Aborted.\n")


def test_a_slow_network_is_told_of_on_stderr_alone(
    hub: Hub, home: Path, hfkv: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfkv.cli.output._FIRST_LINE", 0.05)
    monkeypatch.setattr("hfkv.cli.output._EACH_LINE", 0.05)
    hub.latency = 0.1
    code, out, err = hfkv("compare", LLAMA, "--token", "hf_test", "--json")
    assert code == 0
    assert out.startswith("[")
    assert f"reading {LLAMA}" in err
    assert "answers" in err
    assert "answers" not in out


def test_a_quick_answer_is_not_commented(hub: Hub, hfkv: Run) -> None:
    assert hfkv("kv", LLAMA, "--token", "hf_test", "--tokens", "8", "-q")[2] == ""


def test_offline_asks_nothing(hub: Hub, offline: None) -> None:
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
        fetch(LLAMA, source="hub")
    assert fetch(LLAMA).source == "snapshot"
    with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
        fetch("acme/none")
    assert hub.requests == []


def test_few_file_descriptors_suffice(hub: Hub) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/dev/fd"))
    try:
        # The test's own server takes as many again.
        resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 40, hard))
        assert _most_connections() <= (in_use + 40) // 2
        (found,) = overlap(lambda model: fetch(model, token="hf_test"), [LLAMA])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if isinstance(found, HfkvError):
        assert "Too many open files" in str(found)
    else:
        assert found.tensors is not None


# -- proxies and addresses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "used"),
    [
        ("http_proxy", "http://proxy.example:3128", True),
        ("HTTPS_PROXY", "http://proxy.example:3128", False),
        ("all_proxy", "proxy.example:3128", True),
        ("no_proxy", "*", False),
    ],
)
def test_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, used: bool
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, value)
    proxy = _proxy_for(Origin("http", "hub.example", 80))
    assert proxy == ("http://proxy.example:3128" if used else None)


def test_requests_go_through_the_proxy(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local server stands in for the proxy: it is sent whole addresses."""
    from huggingface_hub import constants

    hub.repos["acme/one"] = Repo(files={"model.safetensors": safetensors(_table())})
    seen: list[tuple[str, str | None]] = []

    def proxy(handler: Any) -> bool:
        seen.append((handler.path, handler.headers.get("Proxy-Authorization")))
        for address in ("http://hub.example", hub.cdn):
            handler.path = handler.path.removeprefix(address)
        return False

    hub.hook = proxy
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", hub.url.replace("http://", "http://me:s%20cret@"))
    monkeypatch.setenv("no_proxy", hub.cdn.removeprefix("http://"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.example")
    assert fetch("acme/one", source="hub").tensors == _table()
    through = [(path, login) for path, login in seen if not path.startswith("/")]
    assert len(through) >= 4
    assert {login for _, login in through} == {"Basic bWU6cyBjcmV0"}
    assert all(login is None for path, login in seen if path.startswith("/"))


def test_a_proxy_of_another_kind_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(NetworkError, match="gopher"):
        fetch(LLAMA, source="hub")


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
def test_requests_go_through_a_socks_proxy(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    hub.repos["acme/one"] = Repo(files={"model.safetensors": safetensors(_table())})
    asked: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.recv(100)  # which logins it offers
            client.sendall(b"\5\0")
            asked.append(head := client.recv(300))
            # The address is four bytes, or a name with its length before it; then the port.
            port = int.from_bytes(head[-2:], "big")
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"\5\0\0\1" + bytes(6))
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("all_proxy", f"{kind}://127.0.0.1:{listener.getsockname()[1]}")
    try:
        assert fetch("acme/one", source="hub").tensors == _table()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    assert len(asked) >= 2


def test_a_socks_proxy_without_its_package_names_the_extra(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", None)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(NetworkError, match=r"hfkv\[socks\]"):
        fetch(LLAMA, source="hub")


def test_certificates_are_checked() -> None:
    import ssl

    context = tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/", "/x", "", "http://", "http://a@b/", "http://x:99999/"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        origin_of(url)
