"""The ways to write a model's address: a page of the Hub, ``hf://``, ``ORG/NAME@REV``.

An address names one model of the Hub, and perhaps a revision and one of its GGUF files. Nothing
is asked of the address itself: what it names is read as if its id had been typed. It never
becomes a path of this machine.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from hfkv.errors import InputError
from hfkv.reading import printable
from hfkv.source.model_name import is_id

__all__ = ["plainly", "reference"]

#: Hosts of the Hub itself; that of ``HF_ENDPOINT`` is another.
_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_BARE = re.compile(r"(?:(?:www\.)?huggingface\.co|hf\.co)/", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
#: ``ORG/NAME@REV``, with ``:Q4_K_M`` before or after the revision.
_AT = re.compile(r"([\w.\-]+(?:/[\w.\-]+)?(?::[\w.\-/]+)?)@([^:]*)(?::([\w.\-/]+))?", re.ASCII)
#: What follows a model's name on the Hub's pages, before a revision.
_VIEWS = ("tree", "blob", "resolve", "raw", "blame", "commit", "commits")
#: Kinds of repository, and pages of the Hub, that stand where an organization would.
_OTHER_KINDS = frozenset(
    "api blog buckets chat collections datasets docs enterprise join kernels learn login models "
    "new organizations papers posts pricing settings spaces tasks".split()
)
#: What git allows in no name of a branch or tag.
_NOT_GIT = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^/|/$|\.lock$")
_LONGEST = 255


def reference(model: str, revision: str | None) -> tuple[str, str | None] | None:
    """The Hub id (perhaps with ``:GGUF``) and the revision that an address names.

    Args:
        model: what was typed.
        revision: the revision that was given beside it.

    Returns:
        None where it is no address: a plain id or a path, taken as before.

    Raises:
        InputError: it is an address that names no model of the Hub, or it names another revision
            than the one that was given beside it.

    >>> reference("https://huggingface.co/Qwen/Qwen3-8B/tree/main", None)
    ('Qwen/Qwen3-8B', 'main')
    >>> reference("Qwen/Qwen3-8B@v1", None), reference("Qwen/Qwen3-8B", None)
    (('Qwen/Qwen3-8B', 'v1'), None)
    """
    found = _parse(model)
    if found is None:
        return None
    name, file, named = found
    if not is_id(name):
        raise _refuse(model, "names no model of the Hub")
    if named is not None and (not named or len(named) > _LONGEST or _NOT_GIT.search(named)):
        raise _refuse(model, "its revision is none that a repository can have")
    if named is not None and revision is not None and named != revision:
        raise InputError(
            f"the model is named with the revision '{printable(named)}', and "
            f"'{printable(revision)}' is asked for",
            where="`revision`",
            expected="one of the two",
        )
    return name if file is None else f"{name}:{file}", revision if named is None else named


def plainly(model: str, revision: str | None) -> tuple[str, str | None]:
    """As :func:`reference`, and what is no address as it was given."""
    return reference(model, revision) or (model, revision)


def _parse(model: str) -> tuple[str, str | None, str | None] | None:
    """Id, GGUF file and revision, not yet checked; None where it is no address."""
    if _SCHEME.match(model) or _BARE.match(model):
        if model[:5].lower() == "hf://":
            return _file_system(model)
        return _page(model)
    found = _AT.fullmatch(model)
    if found is None or os.path.exists(model):
        return None
    name, colon, file = found[1].partition(":")
    if colon and found[3]:
        raise _refuse(model, "names two files")
    return name, (file if colon else found[3]), found[2]


def _file_system(model: str) -> tuple[str, str | None, str | None]:
    """``hf://[models/]ORG/NAME[@REV][/FILE]``, as huggingface_hub's file system has it."""
    rest = model[5:].strip("/").removeprefix("models/")
    parts = rest.split("/")
    if parts[0] in _OTHER_KINDS:
        raise _refuse(model, f"is of {printable(parts[0])}, not a model")
    parts = [parts[0], *parts[1:]]
    at = next((number for number, part in enumerate(parts[:2]) if "@" in part), None)
    if at is None:
        name, after = "/".join(parts[:2]), parts[2:]
        name, _, file = name.partition(":")
        return name, _file(model, after) or file or None, None
    last, _, begun = parts[at].partition("@")
    name = "/".join([*parts[:at], last])
    revision, after = _revision([begun, *parts[at + 1 :]])
    revision, _, file = revision.partition(":")
    return name, _file(model, after) or file or None, revision


def _page(model: str) -> tuple[str, str | None, str | None]:
    """The address of a page of the Hub, or of the mirror that ``HF_ENDPOINT`` names."""
    written = model if _SCHEME.match(model) else f"https://{model}"
    try:
        address = urlsplit(written)
        host, port = (address.hostname or "").lower(), address.port
    except ValueError:
        raise _refuse(model, "is no address") from None
    if address.scheme.lower() not in ("http", "https"):
        raise _refuse(model, "is no address of the Hub")
    if address.username is not None or address.password is not None:
        # Not repeated: it may be a token.
        raise InputError(
            "an address with a user or a token in it is not taken",
            where="`model`",
            expected="one such as https://huggingface.co/ORG/NAME",
        )
    path = address.path
    if host not in _HOSTS or port not in (None, 80, 443):
        path = _below_endpoint(model, host, port, path)
    parts = [part for part in path.split("/") if part]
    if not parts or parts[0] in _OTHER_KINDS:
        raise _refuse(model, "names no model of the Hub")
    # The models of the first years have no organization.
    length = 1 if len(parts) == 1 or parts[1] in _VIEWS else 2
    name, after = "/".join(unquote(part) for part in parts[:length]), parts[length:]
    name, _, file = name.partition(":")
    if not after:
        return name, file or None, None
    if after[0] not in _VIEWS or len(after) < 2:
        raise _refuse(model, f"'{printable('/'.join(after))}' is no revision of the model")
    revision, rest = _revision([unquote(part) for part in after[1:]])
    return name, _file(model, rest) or file or None, revision


def _below_endpoint(model: str, host: str, port: int | None, path: str) -> str:
    """The path below ``HF_ENDPOINT``, if the address is there."""
    from huggingface_hub import constants

    try:
        home = urlsplit(constants.ENDPOINT)
        same = (home.hostname or "").lower() == host and home.port == port
    except ValueError:
        same = False
    prefix = home.path.rstrip("/") if same else ""
    if not same or not path.startswith(f"{prefix}/"):
        raise _refuse(model, "is no address of the Hub", hint="HF_ENDPOINT names a mirror")
    return path[len(prefix) :]


def _revision(parts: list[str]) -> tuple[str, list[str]]:
    """The revision that these parts begin with, and what follows it."""
    length = 3 if parts[0] == "refs" and parts[1:2] in (["pr"], ["convert"]) else 1
    return "/".join(parts[:length]), parts[length:]


def _file(model: str, parts: list[str]) -> str | None:
    """The GGUF file that is named; any other file at the top is one of the model."""
    path = "/".join(parts)
    if path.lower().endswith(".gguf"):
        return path
    if len(parts) > 1 or (parts and "." not in path):
        raise _refuse(model, f"'{printable(path)}' is a folder of the repository, not the model")
    return None


def _refuse(model: str, what: str, *, hint: str = "") -> InputError:
    # Nothing of a query is shown: a signed address holds a secret there.
    shown = model.partition("?")[0]
    return InputError(
        what,
        where=printable(shown, 200),
        expected="ORG/NAME, ORG/NAME@REVISION, hf://ORG/NAME or https://huggingface.co/ORG/NAME",
        hint=hint,
    )
