"""What the contacts room publishes."""

from app.contacts.schemas.consents import ContactConsentChanged
from app.contacts.schemas.contacts import ContactChanged, ContactStageChanged
from app.kit.outbox import EventType

CREATED = EventType("contact.created", ContactChanged, "A contact was made.")
UPDATED = EventType(
    "contact.updated",
    ContactChanged,
    "A field of a contact changed, or it was archived or restored. Statistics alone do not count.",
)
STAGE_CHANGED = EventType(
    "contact.stage_changed", ContactStageChanged, "A contact's lifecycle stage changed."
)
CONSENT_CHANGED = EventType(
    "contact.consent_changed",
    ContactConsentChanged,
    "An entry was added to a contact's consents: something was granted or denied, or said again.",
)

ALL = (CREATED, UPDATED, STAGE_CHANGED, CONSENT_CHANGED)
