"""Refusals of the webhooks room."""

from app.kit.errors import Conflict


class EndpointNotActive(Conflict):
    """The endpoint is disabled or archived, so nothing can be sent to it."""

    slug = "endpoint-not-active"
    title = "The webhook endpoint is not active"


class TooManySecrets(Conflict):
    """The endpoint's secret was rotated so often that too many are still valid."""

    slug = "too-many-secrets"
    title = "Too many secrets are still valid"
