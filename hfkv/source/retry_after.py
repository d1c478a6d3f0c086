"""How long a server asks to be left alone: ``Retry-After`` and the Hub's ``RateLimit``."""

from __future__ import annotations

import re
import time
from typing import Any, Protocol

__all__ = ["Headers", "asked_wait", "remaining", "spent"]


class Headers(Protocol):
    """What is asked of headers here."""

    def get(self, name: str, default: str, /) -> Any:
        """The value of a header, its name in any case."""


#: ``"api";r=0;t=55``: none of the budget remains, it is renewed in 55 seconds.
_RATE = re.compile(r'"[^"]*"\s*;\s*r\s*=\s*([0-9]{1,9})\s*;\s*t\s*=\s*([0-9]{1,9})')


def asked_wait(headers: Headers) -> float | None:
    """Seconds that the answer asks to wait; None where it does not say.

    >>> asked_wait({"Retry-After": "7"}), asked_wait({"RateLimit": '"api";r=0;t=55'})
    (7.0, 55.0)
    >>> asked_wait({"RateLimit": '"api";r=3;t=55'}) is None
    True
    """
    after = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", after):
        return float(after)
    if after:
        from email.utils import parsedate_to_datetime

        try:
            return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
        except (TypeError, ValueError, OverflowError, OSError):
            pass  # neither seconds nor a date: as if it were not there
    return spent(headers)


def spent(headers: Headers) -> float | None:
    """Seconds until the Hub's budget is renewed, where none of it remains; else None."""
    left = remaining(headers)
    return None if left is None or left[0] > 0 else float(left[1])


def remaining(headers: Headers) -> tuple[int, int] | None:
    """Requests that the Hub's budget has left, and the seconds until it is renewed; None where the
    answer does not say."""
    found = _RATE.search(headers.get("RateLimit", ""))
    return None if found is None else (int(found[1]), int(found[2]))
