"""The built page in headless Chromium, served with the local Hub in the Hub's place.

All of it is skipped where there is no Chromium, no node, or no built page
(``python examples/space/build.py``).
"""

from __future__ import annotations

import json
import mimetypes
import shutil
import subprocess
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.hub.server import Hub

SPACE = Path(__file__).parents[2] / "examples" / "space"
DIST = SPACE / "dist"
EXPOSED = "X-Repo-Commit, X-Error-Code, X-Error-Message, ETag, Link, Content-Range, Retry-After"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def lacking() -> str:
    """What is not there to run these tests; "" where all is."""
    if not any(map(shutil.which, _NAMES)):
        return "no Chromium is installed (apt-get install chromium)"
    if shutil.which("node") is None:
        return "node is not installed"
    if not (SPACE / "node_modules" / "playwright-core").is_dir():
        return "playwright-core is not installed (npm ci in examples/space)"
    if not (DIST / "index.html").is_file():
        return "the page is not built (python examples/space/build.py)"
    return ""


@dataclass
class Browser:
    """Chromium, driven by lines of JavaScript; ``page`` is in scope, and ``it`` what is given."""

    process: subprocess.Popen[str]
    home: str = ""

    def run(self, code: str, it: Any = None) -> Any:
        """What the code returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, "it": it}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def fresh(self, **options: Any) -> None:
        """A browser that has seen nothing."""
        self.run("await fresh(it)", {"viewport": {"width": 1100, "height": 900}, **options})

    def open(self, address: str = "") -> None:
        """Open the page, and wait until it has answered."""
        self.run("await page.goto(it)", self.home + address)
        self.settled()

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.run(f"return await page.evaluate(() => {expression})")

    def wait(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        self.run(f"await page.waitForFunction(() => {condition}, null, {{polling: 50}})")

    def see(self, selector: str) -> None:
        """Wait until an element is seen."""
        self.run("await page.waitForSelector(it)", selector)

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        self.run("for (const key of it) await page.keyboard.press(key)", keys)

    def settled(self) -> None:
        """Wait until every question was answered."""
        shown = "performance.getEntriesByName('hfkv-shown').length"
        self.wait(f"{shown} && !document.body.hasAttribute('aria-busy')")

    def choose(self, *files: Path) -> None:
        """Give files to the page."""
        self.run("await page.setInputFiles('#files', it)", list(map(str, files)))

    def text(self, selector: str) -> str:
        """The text of an element, as it is seen."""
        return str(self.run("return await page.locator(it).first().innerText()", selector))

    def number(self, selector: str) -> int:
        """How many of them there are."""
        return int(self.run("return await page.locator(it).count()", selector))

    def click(self, selector: str) -> None:
        """Click an element."""
        self.run("await page.locator(it).first().click()", selector)

    def copied(self, how: str) -> str:
        """What the button of that name copies."""
        self.js("delete document.querySelector('#take').dataset.copied")
        self.click(f"[data-copy={how}]")
        self.wait("'copied' in document.querySelector('#take').dataset")
        return str(self.js("document.querySelector('#take').dataset.copied"))

    def saved(self, name: str) -> bytes:
        """The file that a button saves."""
        found = self.run(
            """
            const { readFileSync } = await import("node:fs");
            const saving = page.waitForEvent("download");
            await page.locator(`[data-save=${it}]`).click();
            return readFileSync(await (await saving).path()).toString("base64");
            """,
            name,
        )
        return b64decode(found)


class _Pages(SimpleHTTPRequestHandler):
    """The built page, with another Hub in its offers."""

    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/offers.json":
            super().do_GET()
            return
        offers = json.loads((DIST / "offers.json").read_text("utf-8"))
        body = json.dumps({**offers, "endpoint": self.hub.url}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium, one for all tests."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    path = next(found for found in map(shutil.which, _NAMES) if found)
    bridge = Path(__file__).parent / "bridge.mjs"
    with subprocess.Popen(
        ["node", bridge, SPACE / "node_modules", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Browser(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def browser(chromium: Browser, hub: Hub) -> Iterator[Browser]:
    """A fresh Chromium beside a page server and the local Hub."""
    hub.exposed = EXPOSED
    mimetypes.add_type("text/javascript", ".mjs")
    mimetypes.add_type("application/wasm", ".wasm")
    handler = type("_Of", (_Pages,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(DIST)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    chromium.home = f"http://127.0.0.1:{server.server_port}/"
    chromium.fresh()
    try:
        yield chromium
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
