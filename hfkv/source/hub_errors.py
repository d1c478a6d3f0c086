"""What the Hub's error answers mean, by the codes that huggingface_hub reads."""

from __future__ import annotations

from hfkv.errors import GatedError, NetworkError, NotFoundError
from hfkv.reading import printable
from hfkv.source.net import Answer

__all__ = ["MissingFileError", "check", "not_the_hub"]


class MissingFileError(Exception):
    """A file that the repository does not have."""


def check(answer: Answer, *, endpoint: str, model: str, revision: str, token: str | None) -> None:
    """Raise what an error answer means.

    Args:
        answer: what was said.
        endpoint, model, revision: what was asked, for messages.
        token: taken out of the server's words, should they repeat it.

    Raises:
        MissingFileError: the repository has no such file.
        NotFoundError: no such repository or revision.
        GatedError: the repository, or the token, is refused.
        NetworkError: anything else.
    """
    if answer.status < 300:
        return
    code = answer.headers.get("X-Error-Code", "")
    said = answer.headers.get("X-Error-Message", "")
    page = f"{endpoint}/{model}"
    if code == "GatedRepo":
        raise GatedError(
            "the repository is gated and this login has no access",
            where=model,
            hint=f"ask for access at {page} and run hf auth login",
        )
    if code == "RevisionNotFound":
        raise NotFoundError(
            f"has no revision '{printable(revision)}'",
            where=model,
            hint=f"see the branches and tags at {page}/tree/main",
        )
    if code == "EntryNotFound":
        raise MissingFileError
    if said == "Access to this resource is disabled.":
        raise GatedError("access to the repository is disabled on the Hub", where=model, hint=page)
    bad_login = said == "Invalid credentials in Authorization header"
    # The Hub answers 401 for what does not exist as well, so that nobody learns what is private.
    if code == "RepoNotFound" or (answer.status == 401 and not bad_login):
        raise NotFoundError(
            "no such repository on the Hub, or it is private",
            where=model,
            hint="check the id; for a private one run hf auth login",
        )
    if answer.status in (401, 403):
        why = "does not know this token" if bad_login else f"refused access ({answer.status})"
        raise GatedError(f"the Hub {why}", where=model, hint=f"see {page} and run hf auth login")
    if token:
        said = said.replace(token, "***")
    words = f": {printable(said)}" if said else ""
    raise NetworkError(
        f"the Hub answered {answer.status}{words}", where=model, hint="try again later"
    )


def not_the_hub(what: str, *, endpoint: str, model: str) -> NetworkError:
    """The error for an answer that the Hub would not give."""
    return NetworkError(
        f"what answered at {endpoint} is not the Hub: {printable(what)}",
        where=model,
        hint="a sign-in page or a proxy may stand between; check HF_ENDPOINT",
    )
