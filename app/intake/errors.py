"""Refusals of the intake room."""

from app.kit.errors import Conflict, InternalError, Invalid, Unauthenticated, Unavailable


class BadSignature(Unauthenticated):
    """The events are not signed with a secret of this source, or were signed more than five minutes ago."""

    slug = "bad-signature"
    title = "The signature does not fit"


class BacklogFull(Unavailable):
    """Too many events of the workspace wait to be applied; nothing was stored, send them again later."""

    slug = "backlog-full"
    title = "Too many events are waiting"


class TooManySecrets(Conflict):
    """The source was rotated so often that too many older secrets still work."""

    slug = "too-many-secrets"
    title = "Too many secrets are still in use"


class UnknownEventType(Invalid):
    """Nothing is known to be done with events of this type. The event was kept."""

    slug = "unknown-event-type"
    title = "The event's type is not known"


class EventNotApplied(InternalError):
    """Applying this event failed on our side, again and again. It was kept and can be re-driven."""

    slug = "event-not-applied"
    title = "The event could not be applied"
