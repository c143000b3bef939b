"""Versions as entity tags (RFC 9110): what `ETag`, `If-Match` and `If-None-Match` say of them."""

from dataclasses import dataclass

from app.kit.errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Precondition:
    """The `If-Match` header of a request, absent or not."""

    header: str | None

    def check(self, version: int) -> None:
        """Raises `PreconditionFailed` unless the header is absent, `*`, or names this version."""
        if self.header is not None and not names(self.header, etag_of(version)):
            raise PreconditionFailed(
                "It has changed since you read it. Read it again and repeat your change.",
                extensions={"current_version": version},
            )


def etag_of(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def names(header: str | None, etag: str) -> bool:
    """Whether a list of entity tags holds this one; a weak tag counts as its strong twin."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
