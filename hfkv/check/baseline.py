"""A baseline: findings that were there when a repository began to be checked, and may pass.

They are told by file, code and message, not by line: what is moved stays known, and a second one of
the same kind does not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hfkv.check.finding import Finding
from hfkv.errors import InputError

__all__ = ["Baseline", "dump_baseline", "read_baseline"]

_FORMAT = 1
_LARGEST = 64 * 2**20


class Baseline:
    """Findings that may pass, each as often as it was there."""

    def __init__(self, entries: Iterable[tuple[str, str, str]] = ()) -> None:
        self._left = Counter(entries)

    def takes(self, finding: Finding) -> bool:
        """Whether a finding is one of them; it is then used up."""
        key = (finding.path, finding.code, finding.message)
        if self._left[key] <= 0:
            return False
        self._left[key] -= 1
        return True


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise InputError("it is no file of a size that can be read", where=str(path))
        value = json.loads(path.read_text("utf-8"))
        if value["format"] != _FORMAT:
            raise ValueError
        return Baseline(
            (str(item["file"]), str(item["code"]), str(item["message"]))
            for item in value["findings"]
        )
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            "it is no baseline",
            where=str(path),
            hint="write it with `hfkv check --update-baseline`",
        ) from None


def dump_baseline(findings: Iterable[Finding]) -> str:
    """The text of a baseline that lets these findings pass."""
    entries = [{"file": item.path, "code": item.code, "message": item.message} for item in findings]
    return json.dumps({"format": _FORMAT, "findings": entries}, indent=1) + "\n"
