"""Who asks: the token and the user agent that huggingface_hub would send.

Its own functions import the whole HTTP stack, a tenth of a second, so the plain cases are read
here (a token given, ``HF_TOKEN``, the token file) and all others are left to them: CI identities,
logins that are refreshed, notebooks. A test compares both.
"""

from __future__ import annotations

import os
import sys

from hfkv import __version__
from hfkv.errors import GatedError, HfkvError, SourceError
from hfkv.reading import printable

__all__ = ["find_token", "user_agent"]


def find_token(token: str | bool | None) -> str | None:
    """The token to send.

    Args:
        token: a token; True for the stored one, False for none, None for the stored one unless
            ``HF_HUB_DISABLE_IMPLICIT_TOKEN`` is set.

    Raises:
        GatedError: True, and none is stored.
        SourceError: huggingface_hub could not provide it.
    """
    from huggingface_hub import constants

    if isinstance(token, str):
        return token
    if token is False or (token is None and constants.HF_HUB_DISABLE_IMPLICIT_TOKEN):
        return None
    found = _stored(constants.HF_TOKEN_PATH, constants.HF_STORED_TOKENS_PATH)
    if found is None and token is True:
        raise GatedError(
            "a token was asked for, and none is stored",
            where="token",
            hint="run hf auth login, or set HF_TOKEN",
        )
    return found


def _stored(path: str, stored: str) -> str | None:
    if os.environ.get("HF_OIDC_RESOURCE") or "google.colab" in sys.modules:
        return _huggingface_hub()
    from_environment = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    if from_environment and _clean(from_environment):
        return _clean(from_environment)
    try:
        with open(path, encoding="utf-8") as file:
            token = _clean(file.read())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"the token file cannot be read: {printable(str(error))}", where=path
        ) from None
    if token is None or not os.path.exists(stored):
        return token
    # A login in the browser leaves a token that expires and is refreshed.
    return _huggingface_hub()


def _huggingface_hub() -> str | None:
    from huggingface_hub import get_token

    try:
        return get_token()
    except HfkvError:
        raise
    except Exception as error:
        raise SourceError(
            f"huggingface_hub could not provide a token: {type(error).__name__}: "
            f"{printable(str(error))}",
            where="token",
        ) from None


def _clean(token: str) -> str | None:
    return token.replace("\r", "").replace("\n", "").strip() or None


def user_agent() -> str:
    """As huggingface_hub writes it for a library."""
    import huggingface_hub
    from huggingface_hub import constants

    parts = [
        f"hfkv/{__version__}",
        f"hf_hub/{huggingface_hub.__version__}",
        "python/" + ".".join(map(str, sys.version_info[:3])),
    ]
    if constants.HF_HUB_USER_AGENT_ORIGIN is not None:
        parts.append(f"origin/{constants.HF_HUB_USER_AGENT_ORIGIN}")
    return "; ".join(parts)
