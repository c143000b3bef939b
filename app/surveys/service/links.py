"""What lets a visitor in: tokens, and the URLs that carry them."""

import hashlib
import secrets
from typing import NamedTuple

from app.kit.crypto import Cipher
from app.kit.resources import Resources
from app.surveys.models.surveys import SurveyRow

TOKEN_BYTES = 16
PUBLIC_PATH = "/v1/public/surveys"


class Token(NamedTuple):
    """A fresh token: as the visitor has it, as it is looked up, and as a reminder gets it back."""

    text: str
    hash: bytes
    sealed: str


class Links:
    """Makes tokens and URLs. `base_url` is where visitors reach the API."""

    def __init__(self, base_url: str, cipher: Cipher) -> None:
        self.base_url = base_url.rstrip("/")
        self.cipher = cipher

    @classmethod
    def of(cls, resources: Resources) -> "Links":
        settings = resources.settings
        return cls(settings.public_url or f"http://{settings.host}:{settings.port}", resources.cipher)

    def fresh(self) -> Token:
        text = new_token()
        return Token(text, hash_of(text), self.cipher.seal(text))

    def url(self, survey: SurveyRow, token: str) -> str:
        """Where a visitor with this token answers: the survey's own page, or the API itself."""
        if survey.link_url is not None:
            return survey.link_url.replace("{token}", token)
        return f"{self.base_url}{PUBLIC_PATH}/{token}"

    def reopened(self, sealed: str) -> str:
        """The token that was sealed. Raises `Unavailable` when no key opens it."""
        return self.cipher.open(sealed)


def new_token() -> str:
    """128 random bits, as 22 characters that a URL takes as they are."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """What a token is stored and looked up by. Any text has one, also what never was a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
