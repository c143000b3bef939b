"""Shapes of the contacts room. Those that other rooms speak in stand here by name."""

from app.contacts.schemas.consents import Consent
from app.contacts.schemas.contacts import Contact, ContactReference, ContactUpsert, ForeignId, SourceName

__all__ = ["Consent", "Contact", "ContactReference", "ContactUpsert", "ForeignId", "SourceName"]
