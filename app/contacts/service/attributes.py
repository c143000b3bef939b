"""Use cases over the workspace's own attributes of contacts."""

from uuid import UUID

from app.contacts.errors import AttributeExists
from app.contacts.models import AttributeDefinitionRow
from app.contacts.repository.contacts import ContactRepository
from app.contacts.schemas.contacts import (
    AttributeDefinition,
    AttributeDefinitionCreate,
    AttributeDefinitionPage,
    AttributeDefinitionPatch,
)
from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition


class AttributeService:
    """Defines attributes. What is defined can be written and filtered by with the next request."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = ContactRepository(unit)

    async def create(self, new: AttributeDefinitionCreate) -> AttributeDefinition:
        row = AttributeDefinitionRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            key=new.key,
            type=new.type,
            options=new.options,
            description=new.description,
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        if not await self.repository.add_definition(row):
            raise AttributeExists(f"The attribute {new.key} is defined already.")
        return AttributeDefinition.model_validate(row)

    async def get(self, definition_id: UUID) -> AttributeDefinition:
        return AttributeDefinition.model_validate(await self._row(definition_id))

    async def list(self, page: PageRequest) -> AttributeDefinitionPage:
        rows = await self.repository.definitions_page(page)
        kept, cursor = page.cut(rows)
        items = [AttributeDefinition.model_validate(row) for row in kept]
        return AttributeDefinitionPage(items=items, next_cursor=cursor)

    async def update(
        self, definition_id: UUID, patch: AttributeDefinitionPatch, precondition: Precondition
    ) -> AttributeDefinition:
        row = await self._row(definition_id, lock=True)
        precondition.check(row.version)
        changes = patch.changes()
        if "options" in changes:
            _check_options(row, changes["options"])
        if any(getattr(row, name) != value for name, value in changes.items()):
            for name, value in changes.items():
                setattr(row, name, value)
            row.version += 1
            row.updated_at = self.unit.now
            await self.repository.save()
        return AttributeDefinition.model_validate(row)

    async def _row(self, definition_id: UUID, *, lock: bool = False) -> AttributeDefinitionRow:
        row = await self.repository.definition(definition_id, lock=lock)
        if row is None:
            raise NotFound("There is no such attribute definition in this workspace.")
        return row


def _check_options(row: AttributeDefinitionRow, options: list[str]) -> None:
    if row.type != "select":
        raise Invalid.at("/options", "only a select has options", "options")
    if len(set(options)) != len(options):
        raise Invalid.at("/options", "options must differ", "options")
    if not set(row.options) <= set(options):
        raise Invalid.at(
            "/options", "the present options must be among them: contacts may have them", "options"
        )
