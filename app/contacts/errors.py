"""Refusals of the contacts room."""

from uuid import UUID

from app.kit.errors import Conflict, NotFound


class ContactExists(Conflict):
    """An email address or external id belongs to another contact already."""

    slug = "contact-exists"
    title = "Another contact is known by this"

    @classmethod
    def held_by(cls, contact_id: UUID, what: str) -> "ContactExists":
        return cls(
            f"The {what} belongs to contact {contact_id}, which may be archived.",
            extensions={"existing_id": str(contact_id)},
        )


class AmbiguousContact(Conflict):
    """The keys of one item belong to several contacts."""

    slug = "ambiguous-contact"
    title = "The keys belong to several contacts"

    @classmethod
    def between(cls, contact_ids: list[UUID]) -> "AmbiguousContact":
        names = ", ".join(str(contact_id) for contact_id in contact_ids)
        return cls(
            f"These external ids and email addresses belong to several contacts: {names}.",
            extensions={"contact_ids": [str(contact_id) for contact_id in contact_ids]},
        )


class AttributeExists(Conflict):
    """There is an attribute with this key already."""

    slug = "attribute-exists"
    title = "An attribute with this key exists"


def unknown_contact() -> NotFound:
    """No contact has this id here; the answer is the same when it is another workspace's."""
    return NotFound("There is no such contact in this workspace.")
