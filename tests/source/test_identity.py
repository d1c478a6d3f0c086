"""The token is the one that huggingface_hub would send, in every way it can be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfkv.errors import GatedError, HfkvError
from hfkv.source.identity import find_token, user_agent


@pytest.mark.parametrize("given", ["hf_given", None, False, True])
@pytest.mark.parametrize("variable", [None, "", " ", "hf_variable", "hf_variable\n"])
@pytest.mark.parametrize("file", [None, "", "hf_file", "hf_file\r\n"])
@pytest.mark.parametrize("explicit", [False, True])
def test_the_same_token_as_huggingface_hub(
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    given: str | bool | None,
    variable: str | None,
    file: str | None,
    explicit: bool,
) -> None:
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalTokenNotFoundError
    from huggingface_hub.utils._headers import get_token_to_send

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", explicit)
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    if variable is not None:
        monkeypatch.setenv("HF_TOKEN", variable)
    if file is not None:
        (home / "token").write_bytes(file.encode())
    try:
        expected = get_token_to_send(given)
    except LocalTokenNotFoundError:
        with pytest.raises(GatedError, match="hf auth login"):
            find_token(given)
    else:
        assert find_token(given) == expected


def test_the_old_variable_and_stored_logins(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_old")
    assert find_token(None) == "hf_old"
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN")
    (home / "token").write_text("hf_file")
    (home / "stored_tokens").write_text("[mine]\nhf_token = hf_file\n")
    assert find_token(None) == "hf_file"


def test_a_token_file_that_cannot_be_read_is_said(home: Path) -> None:
    (home / "token").mkdir()
    with pytest.raises(HfkvError, match="token file"):
        find_token(None)


def test_ci_identities_are_left_to_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import errors

    if not hasattr(errors, "OIDCError"):
        pytest.skip("this huggingface_hub knows no CI identities")
    monkeypatch.setenv("HF_OIDC_RESOURCE", "models/acme/x")
    with pytest.raises(HfkvError, match="OIDC"):
        find_token(None)


def test_the_user_agent_is_a_library_s() -> None:
    import huggingface_hub

    assert user_agent().startswith("hfkv/")
    assert f"hf_hub/{huggingface_hub.__version__}" in user_agent()
