"""Refusals of the follow-ups room."""

from app.kit.errors import NotFound


def unknown_followup() -> NotFound:
    """No follow-up of this workspace has the id."""
    return NotFound("There is no such follow-up in this workspace.")
