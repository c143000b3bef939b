"""Secrets at rest, and keys that change."""

import base64
import os

import pytest

from app.kit.crypto import Cipher
from app.kit.errors import Unavailable


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_what_an_older_key_sealed_is_read_while_the_key_is_in_the_list() -> None:
    older, newer = key(), key()

    assert Cipher([newer, older]).open(Cipher([older]).seal("geheim")) == "geheim"


def test_a_key_that_does_not_fit_is_a_503_that_tells_nothing() -> None:
    sealed = Cipher([key()]).seal("geheim")

    with pytest.raises(Unavailable) as refused:
        Cipher([key()]).open(sealed)

    assert refused.value.__cause__ is None
    assert sealed not in refused.value.detail


@pytest.mark.parametrize("keys", [[], ["short"], [key(), ""]])
def test_what_is_no_key_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError):
        Cipher(keys)
