"""Marking: noting which days may have changed, and asking for a fold."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from app.kit.database import Unit
from app.kit.jobs import enqueue
from app.kit.long_jobs import LongJob, LongJobs
from app.kit.periods import local_day
from app.metrics.repository.marking import MarkRepository

FOLD_JOB = "metrics.fold"
REFRESH = "metrics.refresh"


class MarkService:
    """Says what has to be folded; the fold itself is a job."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = MarkRepository(unit)

    async def mark(self, instants: Collection[datetime], days: Collection[date] = ()) -> None:
        """Marks the local days of these instants: rows that lie on them were added, changed or removed.

        `days` are those of rows that know their local day and no instant.
        """
        zone = await self.repository.zone()
        await self.repository.mark({*days, *(local_day(instant, zone) for instant in instants)})
        await self.ask_for_fold()

    async def moved_acquisitions(self, acquired: Mapping[UUID, Sequence[datetime]]) -> set[datetime]:
        """Remembers when contacts were acquired; returns the instants, old and new, of those that moved.

        `acquired` has every `acquired_at` a contact had since it was last seen, in order: a fold in between
        may have counted the contact on any of these days.
        """
        known = await self.repository.known_acquisitions(list(acquired))
        moved = {
            contact: instants
            for contact, instants in acquired.items()
            if {known.get(contact)} != set(instants)
        }
        if moved:
            await self.repository.remember_acquisitions({contact: at[-1] for contact, at in moved.items()})
        before = {known[contact] for contact in moved if contact in known}
        return before.union(*moved.values())

    async def invited(self, invitation_ids: Collection[UUID]) -> set[datetime]:
        """When these invitations were made: whether they are answered counts there."""
        return await self.repository.invited(invitation_ids)

    async def ask_for_fold(self) -> None:
        await self.repository.ensure_state()
        enqueue(self.unit, FOLD_JOB)

    async def refresh(self) -> LongJob:
        """Asks for a full rebuild. The next fold sees the job and makes everything anew."""
        job = await LongJobs(self.unit).open(REFRESH)
        await self.ask_for_fold()
        return job
