"""Keeps the last score of each contact and type of survey, which filters over contacts look at."""

from collections.abc import Iterable

from app.kit.database import Unit
from app.surveys.models.records import ResponseRecord
from app.surveys.repository.contact_scores import CONTACT_FIELDS, ContactScore, ContactScoreRepository

__all__ = ["CONTACT_FIELDS", "ContactScores"]


class ContactScores:
    """The last scores of the contacts of a unit's workspace. Tests have no part in it."""

    def __init__(self, unit: Unit) -> None:
        self.repository = ContactScoreRepository(unit)

    async def note(self, records: Iterable[ResponseRecord]) -> None:
        """Takes new completed responses into account, in whatever order they were given."""
        latest: dict[tuple[str, str], ContactScore] = {}
        for score in sorted(_scores(records), key=lambda each: (each.answered_at, str(each.response_id))):
            latest[str(score.contact_id), score.type] = score
        if latest:
            await self.repository.note([latest[key] for key in sorted(latest)])

    async def recompute(self, record: ResponseRecord) -> None:
        """Looks at all responses of the contact anew, since this one counts now, or no longer."""
        if record.contact_id is not None and record.score_type is not None:
            await self.repository.recompute(record.contact_id, record.score_type)


def _scores(records: Iterable[ResponseRecord]) -> Iterable[ContactScore]:
    for record in records:
        if record.is_test or record.contact_id is None or record.answered_at is None:
            continue
        if record.score_type is not None and record.score is not None:
            yield ContactScore(
                record.contact_id, record.score_type, record.score, record.answered_at, record.id
            )
