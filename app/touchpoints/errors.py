"""Refusals of the touchpoints room."""

from app.kit.errors import Conflict


class TouchpointGone(Conflict):
    """The touchpoint with this key was erased while it was being recorded; send it again."""

    slug = "touchpoint-gone"
    title = "The touchpoint was erased just now"
