"""The connections of one session: which there are to an origin, who uses them, when to open more.

HTTP/1.1 carries one request at a time, so there are as many connections as requests. Where TLS
agrees on HTTP/2, all requests share what is open; more is opened only while there is no room.
"""

from __future__ import annotations

import errno
import sys
import threading
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING

from hfkv.source.body import FaultError, RefusedError, words
from hfkv.source.origin import Origin
from hfkv.source.response import WireError
from hfkv.source.wire import Connection, connect

if TYPE_CHECKING:
    from hfkv.source.http2 import Http2
    from hfkv.source.stream import Stream

__all__ = ["Pool"]

#: Out of file descriptors or ports: others of this call will give theirs back.
_CROWDED = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)
#: Requests that one more HTTP/2 connection is opened for, while those that are being opened are
#: not yet there. A new connection starts slowly, so that headers of megabytes want several.
_EACH = 16


class Pool:
    """Connections to any origin, shared by all threads of a session."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self._idle: dict[Origin, list[Connection]] = {}
        self._busy: set[Connection] = set()
        self._shared: dict[Origin, list[Http2]] = {}
        self._opening: Counter[Origin] = Counter()
        self._waiting: Counter[Origin] = Counter()
        #: Origins known to speak HTTP/1.1 only, or HTTP/2 so badly that it is no use.
        self._plain: set[Origin] = set()
        #: Origins that could not be reached: to try again for each file would take long.
        self._dead: dict[Origin, str] = {}

    # -- taking and giving back ------------------------------------------------------------

    def take(self, origin: Origin) -> tuple[Connection | Stream, bool]:
        """What can carry a request to ``origin``, and whether its connection is new.

        Raises:
            FaultError: there are no more connections to be had now.
            RefusedError: the origin cannot be reached, or the pool was stopped.
        """
        while True:
            found = self._wait_for(origin)
            if found is None:
                return self._open(origin)
            if not isinstance(found, Connection) or found.usable():
                return found, False
            self.give_back(found)

    def give_back(self, channel: Connection | Stream) -> None:
        """End the use of what was taken; a connection that can carry more is kept."""
        if not isinstance(channel, Connection):
            channel.close()
            with self._changed:
                if self._waiting[channel.origin]:
                    self._changed.notify_all()
            return
        keep = channel.usable()
        with self._changed:
            self._busy.discard(channel)
            keep = keep and not self._stopped
            if keep:
                self._idle.setdefault(channel.origin, []).append(channel)
        if not keep:
            channel.close()

    def _wait_for(self, origin: Origin) -> Connection | Stream | None:
        """Something open, or None where the caller is to open a connection."""
        with self._changed:
            self._waiting[origin] += 1
            try:
                while True:
                    if self._stopped:
                        raise RefusedError("stopped")
                    if origin in self._dead:
                        raise RefusedError(self._dead[origin])
                    idle = self._idle.get(origin)
                    if idle:
                        connection = idle.pop()
                        self._busy.add(connection)
                        return connection
                    stream = self._stream(origin)
                    if stream is not None:
                        return stream
                    if self._may_open(origin):
                        self._opening[origin] += 1
                        return None
                    self._changed.wait()
            finally:
                self._waiting[origin] -= 1

    def _stream(self, origin: Origin) -> Stream | None:
        """A stream of the connection that has the fewest."""
        shared = self._shared.get(origin)
        if not shared:
            return None
        shared[:] = [item for item in shared if item.alive]
        roomy = [item for item in shared if item.room > 0]
        return max(roomy, key=lambda item: item.room).stream() if roomy else None

    def _may_open(self, origin: Origin) -> bool:
        if origin.scheme == "http" or origin in self._plain:
            return True
        opening = self._opening[origin]
        return opening * _EACH < self._waiting[origin] + opening

    # -- opening ---------------------------------------------------------------------------

    def _open(self, origin: Origin) -> tuple[Connection | Stream, bool]:
        connection: Connection | None = None
        try:
            with self._changed:
                offer = origin.scheme == "https" and origin not in self._plain
            connection = connect(origin, http2=offer)
            with self._changed:
                self._busy.add(connection)
            if offer:
                _prepare()
            connection.open()
            if self._stopped:  # perhaps before there was anything to cut
                raise FaultError("stopped")
            if connection.speaks_http2:
                return self._share(connection), True
            with self._changed:
                self._plain.add(origin)
        except (OSError, WireError, ValueError) as error:
            if connection is not None:
                self.give_back(connection)
            if getattr(error, "errno", None) in _CROWDED or self._stopped:
                raise FaultError(words(error)) from None
            with self._changed:
                self._dead.setdefault(origin, words(error))
            raise RefusedError(words(error)) from None
        except BaseException:
            if connection is not None:
                self.give_back(connection)
            raise
        finally:
            with self._changed:
                self._opening[origin] -= 1
                self._changed.notify_all()
        return connection, True

    def _share(self, connection: Connection) -> Stream:
        from hfkv.source.http2 import MOST_STREAMS, Http2

        origin = connection.origin
        with self._changed:
            # What the server said over another connection holds for this one as well.
            known = [item.most for item in self._shared.get(origin, ())]
        most = min(known, default=MOST_STREAMS)
        made = Http2(connection.release(), origin, self._ended, most=most)
        with self._changed:
            self._busy.discard(connection)
            stopped = self._stopped
            if not stopped:
                self._shared.setdefault(origin, []).append(made)
                return made.stream()
        made.close()
        raise RefusedError("stopped")

    def _ended(self, connection: Http2, *, broken: bool) -> None:
        """An HTTP/2 connection ended; ``broken``: by something that is no HTTP/2."""
        with self._changed:
            if broken:
                self._plain.add(connection.origin)
            self._changed.notify_all()

    # -- the end ---------------------------------------------------------------------------

    def cut(self) -> None:
        """End all that is under way, and open nothing more. From any thread."""
        with self._changed:
            self._stopped = True
            busy = list(self._busy)
            shared = [item for items in self._shared.values() for item in items]
            self._changed.notify_all()
        for connection in busy:
            connection.cut()
        for several in shared:
            several.cut()

    def close(self) -> None:
        """Close every connection."""
        self.cut()
        with self._changed:
            idle = [item for items in self._idle.values() for item in items]
            shared = [item for items in self._shared.values() for item in items]
            self._idle.clear()
            self._shared.clear()
        for connection in idle:
            connection.close()
        for several in shared:
            several.close()


def _prepare() -> None:
    """Load what HTTP/2 needs, while the other side is still to say whether it speaks it."""
    if "h2.connection" not in sys.modules:
        threading.Thread(target=import_module, args=("h2.connection",), daemon=True).start()
