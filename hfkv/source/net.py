"""What is asked of a network, whoever does the asking: sockets, or a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

__all__ = ["LINKED", "TRY_AGAIN", "Answer", "Net"]

_T = TypeVar("_T")
#: What the Hub says of a large file as it redirects to where that is.
LINKED = ("X-Linked-Size", "X-Linked-ETag", "X-Xet-Hash")
#: Statuses of faults that pass.
TRY_AGAIN = (408, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said in the end, redirects followed.

    Attributes:
        status: the HTTP status.
        headers: of the last answer; names in any case.
        body: as much as was wanted.
        url: what gave the answer.
        home: whether that is where the token may go.
        commit: the first ``X-Repo-Commit`` on the way.
        redirected: whether a redirect was followed.
        linked: what the origin asked first said of the file that it redirected to: the headers
            ``X-Linked-Size``, ``X-Linked-ETag`` and ``X-Xet-Hash`` that it gave.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    home: bool
    commit: str | None
    redirected: bool
    linked: Mapping[str, str]


class Net(Protocol):
    """One call's use of the network."""

    def submit(self, job: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Have a job done beside this one."""

    def cancel(self) -> None:
        """End all requests now; they fail, and no more are made."""

    def close(self) -> None:
        """End what is still under way and give everything back."""

    def get(
        self,
        url: str,
        *,
        where: str,
        limit: int,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        wanted: Callable[[bytearray], int] | None = None,
        on_head: Callable[[int, Mapping[str, str]], None] | None = None,
    ) -> Answer:
        """GET, with redirects followed, faults tried again and askings to wait honoured.

        Args:
            url: an http or https address.
            where: the model, for messages.
            limit: bytes of body; a longer one is an error.
            token: sent to the origin of ``url`` alone.
            headers: further ones.
            wanted: given the body so far, how many bytes of it are wanted; reading stops there.
            on_head: called with the status and headers, before the body is read.

        Returns:
            The answer, also where its status is an error.

        Raises:
            NetworkError: no whole answer within the limits.
        """
