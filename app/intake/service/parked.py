"""What could not be applied: looked at, tried again, or given up."""

from uuid import UUID

from app.intake.repository import InboundEventRepository, SourceRepository
from app.intake.schemas import ParkedEvent, ParkedEventPage, ParkedRedrive, ParkedRedriven
from app.intake.service.applying import APPLY_JOB
from app.intake.service.sources import unknown_source
from app.kit.database import Unit
from app.kit.errors import NotFound
from app.kit.jobs import enqueue
from app.kit.pages import PageRequest


class ParkedService:
    """The parked events of one source."""

    def __init__(self, unit: Unit, source_id: UUID) -> None:
        self.unit = unit
        self.source_id = source_id
        self.repository = InboundEventRepository(unit)

    async def list(self, page: PageRequest) -> ParkedEventPage:
        await self._require_source()
        rows = await self.repository.parked(self.source_id, page)
        kept, cursor = page.cut(rows)
        return ParkedEventPage(items=[ParkedEvent.model_validate(row) for row in kept], next_cursor=cursor)

    async def redrive(self, wanted: ParkedRedrive) -> ParkedRedriven:
        """Has the events applied again, in their old order and before whatever came later and still waits."""
        await self._require_source()
        redriven = await self.repository.redrive(self.source_id, wanted.ids)
        if redriven:
            enqueue(self.unit, APPLY_JOB, self.source_id)
        return ParkedRedriven(redriven=redriven)

    async def discard(self, event_id: UUID) -> None:
        """Forgets what the event said. Sent again, it is still a duplicate."""
        await self._require_source()
        if not await self.repository.discard(self.source_id, event_id):
            raise NotFound("There is no such parked event of this source.")

    async def _require_source(self) -> None:
        if await SourceRepository(self.unit).get(self.source_id) is None:
            raise unknown_source()
