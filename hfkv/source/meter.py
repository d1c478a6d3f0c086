"""What is asked of the Hub and what is left of its budget, counted as the Hub counts.

The Hub has one budget for its API and another for files (``resolvers``), and says in each answer
what remains: ``RateLimit: "api";r=12;t=55`` and, of the whole,
``RateLimit-Policy: "fixed window";"api";q=500;w=300``.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from hfkv.source.retry_after import Headers, remaining

__all__ = ["KINDS", "Meter", "Reading", "kind_of"]

#: The Hub's names of its budgets.
KINDS = ("api", "resolvers")
_POLICY = re.compile(r";\s*q\s*=\s*([0-9]{1,9})\s*;\s*w\s*=\s*([0-9]{1,9})")


def kind_of(url: str) -> str:
    """Which budget a request is counted in.

    >>> kind_of("https://huggingface.co/api/models"), kind_of("https://huggingface.co/a/b/resolve/x")
    ('api', 'resolvers')
    """
    return "api" if urlsplit(url).path.startswith("/api/") else "resolvers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One budget as it was last heard of.

    Attributes:
        requests: answers since it was read before.
        remaining: requests that remained; None where the server named no budget.
        seconds: until it is renewed, from now.
        quota, window: the whole of it, and its seconds; None where they were not named.
    """

    requests: int
    remaining: int | None = None
    seconds: float = 0.0
    quota: int | None = None
    window: int | None = None


class Meter:
    """Counts answers; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = dict.fromkeys(KINDS, 0)
        #: By kind: what remained, when it is renewed, quota and window.
        self._heard: dict[str, tuple[int, float, int | None, int | None]] = {}

    def note(self, url: str, headers: Headers) -> None:
        """Count an answer and hear what it says of its budget."""
        kind = kind_of(url)
        left = remaining(headers)
        policy = _POLICY.search(headers.get("RateLimit-Policy", ""))
        with self._lock:
            self._requests[kind] += 1
            if left is not None:
                renewed = time.monotonic() + left[1]
                whole = (int(policy[1]), int(policy[2])) if policy else (None, None)
                self._heard[kind] = (left[0], renewed, *whole)

    def take(self) -> dict[str, Reading]:
        """Each budget now; counting begins anew."""
        now = time.monotonic()
        found = {}
        with self._lock:
            for kind in KINDS:
                requests, self._requests[kind] = self._requests[kind], 0
                left, renewed, quota, window = self._heard.get(kind, (None, now, None, None))
                found[kind] = Reading(
                    requests=requests,
                    remaining=left,
                    seconds=max(0.0, renewed - now),
                    quota=quota,
                    window=window,
                )
        return found
