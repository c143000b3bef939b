"""HTTP face of what spans rooms about one person."""

from collections.abc import Collection, Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.errors import MissingScope
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, Limit
from app.profile.schemas import EntryType, TimelinePage
from app.profile.service import TimelineService
from app.touchpoints.service.touchpoints import LATEST_FIRST

router = APIRouter(prefix="/v1", tags=["contacts"])

Reader = Annotated[Call, Depends(Access("contacts:read"))]

SCOPES: Final[Mapping[EntryType, str]] = {
    "touchpoint": "touchpoints:read",
    "survey_response": "surveys:read",
    "consent": "contacts:read",
}
"""What a key needs to see entries of a type."""


@router.get("/contacts/{contact_id}/timeline", operation_id="contacts_timeline", response_model=TimelinePage)
async def get_timeline(
    contact_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    type: Annotated[
        list[EntryType] | None,
        Query(
            max_length=10,
            description="Only entries of these types; all that the key may read, if absent. Touchpoints need "
            "`touchpoints:read`, survey responses `surveys:read`.",
        ),
    ] = None,
) -> Response:
    """Everything that happened with a contact, latest first, in one feed of typed entries."""
    types = _types(call, type)
    page = PageRequest(LATEST_FIRST, limit, cursor, [contact_id, sorted(types)])
    return await call.read(lambda unit: TimelineService(unit).page(contact_id, page, types))


def _types(call: Call, wanted: Collection[EntryType] | None) -> set[EntryType]:
    """The types to show. Raises `MissingScope` for one that was asked for and may not be read."""
    readable = {each for each, scope in SCOPES.items() if call.caller.may(scope)}
    if wanted is None:
        return readable
    for each in wanted:
        if each not in readable:
            raise MissingScope(f"Entries of the type {each} need the scope {SCOPES[each]}.")
    return set(wanted)
