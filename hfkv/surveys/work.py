"""A batch of models answered, in whichever process: bytes in, bytes out, nothing pickled.

A task is a line of JSON: the batch's items and the question. Its result is a line of JSON (counts,
and what was heard of the Hub's budget), then the rows as Arrow or JSON. No task holds a token: a
process takes its own from its environment or from the Hub's store.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass
from typing import Any

from hfkv import __version__
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.source.many_models import Shared, overlap, within
from hfkv.source.meter import Meter
from hfkv.surveys.formats import Encoding, encode
from hfkv.surveys.question import Question
from hfkv.surveys.rows import Item, Row, answer

__all__ = ["Desk", "Result", "Setting", "work"]

#: Seconds that a survey waits, in all, because the Hub asks to: days.
_PATIENCE = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is the same for all batches of a survey.

    Attributes:
        kind: ``hub``, ``cards`` or ``configs``.
        question: what is asked.
        source: where models of the Hub are read from.
        endpoint: the Hub that is meant.
        encoding: of the rows.
    """

    kind: str
    question: Question
    source: str
    endpoint: str
    encoding: Encoding

    def task(self, items: Sequence[Item]) -> bytes:
        """The task of a batch."""
        value = {
            "hfkv": __version__,
            "kind": self.kind,
            "question": self.question.to_json(),
            "source": self.source,
            "endpoint": self.endpoint,
            "encoding": self.encoding,
            "items": list(items),
        }
        return json.dumps(value).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a batch came to.

    Attributes:
        models: in it; kept: of them as an earlier survey has them.
        errors: kinds of errors to the number of models.
        budget: of each kind of request: how many, and what the Hub said is left.
        body: the rows.
    """

    models: int
    kept: int
    errors: dict[str, int]
    budget: dict[str, dict[str, Any]]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Result:
        """What :meth:`Desk.work` gave."""
        head, _, body = raw.partition(b"\n")
        return cls(**json.loads(head), body=body)


class Desk:
    """Where one process works: its connections and its count of requests.

    Args:
        token: in place of the stored one.
    """

    def __init__(self, token: str | bool | None = None) -> None:
        self._token = token
        self._meter = Meter()
        self._shared = Shared(patience=_PATIENCE, meter=self._meter)
        self._closed = False

    def work(self, task: bytes) -> bytes:
        """The result of a task.

        Raises:
            UnsupportedError: it is of another version of hfkv, or of another Hub.
            CancelledError: the desk was closed meanwhile.
        """
        value = json.loads(task)
        _check(value)
        kind, question = value["kind"], Question.from_json(value["question"])
        place = {"source": value["source"], "token": self._token}
        items: list[Item] = value["items"]

        def one(item: Item) -> list[Row]:
            return answer(item, kind, question, place)

        found: Sequence[list[Row] | HfkvError]
        if kind == "hub":
            with within(self._shared):
                found = overlap(one, items)
        else:
            found = [one(item) for item in items if not self._closed]
        if self._closed:
            # What the end itself kept from being read is no row.
            raise CancelledError
        rows = [rows for rows in found if not isinstance(rows, HfkvError)]
        errors = Counter(row[0]["error_type"] for row in rows if row[0]["error_type"])
        kept = sum(
            bool(item.get("before")) and before == item["before"]
            for item, before in zip(items, rows, strict=True)
        )
        head = {
            "models": len(items),
            "kept": kept,
            "errors": dict(errors),
            "budget": {name: asdict(item) for name, item in self._meter.take().items()},
        }
        body = encode([row for each in rows for row in each], value["encoding"])
        return json.dumps(head).encode() + b"\n" + body

    def close(self) -> None:
        """End all requests now."""
        self._closed = True
        self._shared.close()


def _check(task: dict[str, Any]) -> None:
    """Refuse a task whose answer would mix versions or Hubs in one table."""
    if task["hfkv"] != __version__:
        raise UnsupportedError(
            f"a worker has hfkv {__version__}",
            where="survey",
            expected=f"{task['hfkv']}, as where the survey was started",
            hint="one version makes one table: install it on every worker",
        )
    if task["kind"] == "hub":
        from huggingface_hub import constants

        if task["endpoint"] != constants.ENDPOINT:
            raise UnsupportedError(
                f"a worker asks {constants.ENDPOINT}",
                where="survey",
                expected=task["endpoint"],
                hint="set HF_ENDPOINT alike on every worker",
            )


_LOCK = threading.Lock()
_DESK: Desk | None = None


def work(task: bytes) -> bytes:
    """The result of a task by this process's own desk: what a cluster runs."""
    global _DESK
    with _LOCK:
        if _DESK is None:
            _DESK = Desk()
    return _DESK.work(task)
