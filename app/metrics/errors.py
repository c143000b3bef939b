"""Refusals of the metrics room."""

from app.kit.errors import NotFound


class UnknownMetric(NotFound):
    """The catalogue has no metric of this key."""

    slug = "unknown-metric"
    title = "There is no such metric"
