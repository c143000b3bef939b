"""Refusals of the workspaces room."""

from app.kit.errors import Conflict


class MemberExists(Conflict):
    """Another member of the workspace has this email address."""

    slug = "member-exists"
    title = "A member with this email exists"
