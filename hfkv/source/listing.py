"""The Hub's own list of models, page by page, as ``hf models ls`` has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode, urljoin

from hfkv.errors import NetworkError
from hfkv.reading import describe, printable
from hfkv.source import limits
from hfkv.source.files import is_commit
from hfkv.source.hub_errors import MissingFileError, check, not_the_hub
from hfkv.source.identity import find_token, user_agent
from hfkv.source.many_models import session
from hfkv.source.model_name import is_id
from hfkv.source.net import Answer
from hfkv.source.origin import origin_of
from hfkv.source.repository import Repository

__all__ = ["SORTS", "current_commit", "list_models"]

#: What lists are sorted by: the name that ``hf`` takes to the Hub's own.
SORTS = {
    "created_at": "createdAt",
    "downloads": "downloads",
    "last_modified": "lastModified",
    "likes": "likes",
    "trending_score": "trendingScore",
}
#: The most that the Hub puts on one page.
_PAGE = 1000


def list_models(
    *,
    authors: Sequence[str] = (),
    filters: Sequence[str] = (),
    search: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    token: str | bool | None = None,
) -> Iterator[dict[str, str]]:
    """Each model that the Hub lists: its ``model``, ``commit`` and ``created_at`` where it says.

    Args:
        authors: of any of them, one list after the other; everybody's unless given.
        filters: tags that all must have.
        search: words in the id.
        sort: a key of :data:`SORTS`, the largest first.
        limit: models in all.
        token: as for :func:`hfkv.load`.

    Raises:
        SourceError: the list could not be had.
    """
    from huggingface_hub import constants

    _check_online("the Hub's list of models")
    endpoint = constants.ENDPOINT.rstrip("/")
    sent = find_token(token)
    left = limit
    with session() as net:
        for author in authors or (None,):
            query: list[tuple[str, str]] = [("expand[]", "sha"), ("expand[]", "createdAt")]
            query += [("filter", tag) for tag in filters]
            query += [] if author is None else [("author", author)]
            query += [] if search is None else [("search", search)]
            query += [] if sort is None else [("sort", SORTS[sort]), ("direction", "-1")]
            query.append(("limit", str(_PAGE if left is None else max(1, min(_PAGE, left)))))
            url: str | None = f"{endpoint}/api/models?{urlencode(query)}"
            where = "the Hub's list of models" + (f" of {author}" if author else "")
            while url is not None and left != 0:
                answer = net.get(
                    url,
                    where=where,
                    limit=limits.LIMITS.text,
                    token=sent,
                    headers={"User-Agent": user_agent()},
                )
                if answer.status >= 300:
                    _check(answer, endpoint, where, sent)
                for item in _page(answer.body, endpoint, where):
                    if left == 0:
                        break
                    left = None if left is None else left - 1
                    yield item
                url = _following(answer.headers.get("Link", ""), answer.url, endpoint, where)


def _check(answer: Answer, endpoint: str, where: str, token: str | None) -> None:
    try:
        check(answer, endpoint=endpoint, model=where, revision="", token=token)
    except MissingFileError:
        said = "it says that a file is missing, though none was asked for"
        raise not_the_hub(said, endpoint=endpoint, model=where) from None


def _page(body: bytes, endpoint: str, where: str) -> Iterator[dict[str, str]]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise not_the_hub(f"{where}: not JSON", endpoint=endpoint, model=where) from None
    if not isinstance(page, list):
        raise not_the_hub(f"found {describe(page)}", endpoint=endpoint, model=where)
    for item in page:
        name = item.get("id") if isinstance(item, dict) else None
        if not isinstance(name, str) or not is_id(name):
            continue
        found = {"model": name}
        if is_commit(item.get("sha") if isinstance(item.get("sha"), str) else None):
            found["commit"] = item["sha"]
        if isinstance(item.get("createdAt"), str):
            found["created_at"] = printable(item["createdAt"], 40)
        yield found


def _following(link: str, url: str, endpoint: str, where: str) -> str | None:
    """The next page; only ever of the same server."""
    found = re.search(r'<([^<>]*)>\s*;\s*rel="next"', link)
    if found is None:
        return None
    try:
        following = str(urljoin(url, found[1]))
        same = origin_of(following) == origin_of(url)
    except ValueError:
        same = False
    if not same:
        raise not_the_hub(f"its next page is {found[1]}", endpoint=endpoint, model=where)
    return following


def _check_online(where: str) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise NetworkError("offline mode is on (HF_HUB_OFFLINE)", where=where)


def current_commit(model: str, *, revision: str | None = None, token: str | bool | None) -> str:
    """The commit that a repository's revision stands for now, by one request.

    Raises:
        SourceError: it could not be asked for.
    """
    _check_online(model)
    with session() as net:
        return Repository(model, revision, token, net).listing().commit
