"""HTTP face of what spans rooms about one person."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, Cursor, Limit, PageRequest
from app.profile.schemas import EntryType, TimelinePage
from app.profile.service import TimelineService
from app.touchpoints.service.touchpoints import LATEST_FIRST

router = APIRouter(prefix="/v1", tags=["contacts"])

# The entries are touchpoints, which a key for contacts alone may not read.
Reader = Annotated[Call, Depends(Access("touchpoints:read"))]


@router.get("/contacts/{contact_id}/timeline", operation_id="contacts_timeline", response_model=TimelinePage)
async def get_timeline(
    contact_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    type: Annotated[
        list[EntryType] | None, Query(max_length=10, description="Only entries of these types.")
    ] = None,
) -> Response:
    """Everything that happened with a contact, latest first, in one feed of typed entries."""
    page = PageRequest(LATEST_FIRST, limit, cursor, [contact_id, type])
    return await call.read(lambda unit: TimelineService(unit).page(contact_id, page))
