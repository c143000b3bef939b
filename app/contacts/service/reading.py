"""The fast lane of the two reads that are asked for most; `ContactService` has the clear one."""

from uuid import UUID

from app.contacts.errors import unknown_contact
from app.contacts.repository.contacts import ContactRepository
from app.contacts.schemas.contacts import ContactPage
from app.contacts.service.contacts import ContactListing, ContactService
from app.contacts.service.rendering import contact_json, page_json
from app.kit.database import Unit
from app.kit.hot import Rendered
from app.kit.pages import PageRequest
from app.workspaces.service import WorkspaceService


class ContactReader:
    """Answers that are written already."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ContactRepository(unit)
        self.workspace = WorkspaceService(unit)

    async def get(self, contact_id: UUID) -> Rendered:
        """Raises `NotFound`."""
        row = await self.repository.record(contact_id)
        if row is None:
            raise unknown_contact()
        return Rendered(contact_json(row, await self.workspace.currency()), version=row["version"])

    async def list(self, page: PageRequest, listing: ContactListing) -> Rendered | ContactPage:
        """Tags and addresses are looked up in other tables, which is left to the clear way."""
        if listing.tag is not None or listing.email is not None:
            return await ContactService(self.unit).list(page, listing)
        rows = await self.repository.record_page(
            page,
            {"lifecycle_stage": listing.lifecycle_stage, "owner_id": listing.owner_id},
            include_archived=listing.include_archived,
        )
        kept, cursor = page.cut(rows, lambda row: (row[page.order.name], row["id"]))
        return Rendered(page_json(kept, await self.workspace.currency(), cursor), next_cursor=cursor)
