"""The SQL of how often contacts are asked."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select

from app.kit.database import Unit
from app.kit.pages import PageRequest, Sorting, SortKey
from app.kit.turns import take_turn
from app.surveys.models.surveys import FrequencyRuleRow

RULE_SORTING = Sorting(
    FrequencyRuleRow.id,
    {"created_at": SortKey(FrequencyRuleRow.created_at, "instant")},
    default="-created_at",
)


class Limit(NamedTuple):
    """At most `most` invitations after `since`."""

    most: int
    since: datetime


class Reached(NamedTuple):
    """A contact has reached a limit, the one at this place of those asked about.

    `at` is when the oldest of the invitations that fill it was made: the first to make room again.
    """

    contact_id: UUID
    place: int
    at: datetime


class FrequencyRepository:
    """The rules of a unit's workspace, and what they find."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._workspace_id = unit.workspace_id

    async def lock(self) -> None:
        """Keeps others from adding rules until the unit ends."""
        await take_turn(self._unit, "frequency-rules")

    async def count(self) -> int:
        statement = select(func.count()).where(FrequencyRuleRow.workspace_id == self._workspace_id)
        return (await self._unit.session.execute(statement)).scalar_one()

    async def add(self, row: FrequencyRuleRow) -> None:
        self._unit.session.add(row)
        await self._unit.session.flush()

    async def get(self, rule_id: UUID, *, lock: bool = False) -> FrequencyRuleRow | None:
        statement = select(FrequencyRuleRow).where(
            FrequencyRuleRow.workspace_id == self._workspace_id, FrequencyRuleRow.id == rule_id
        )
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._unit.session.execute(statement)).scalar_one_or_none()

    async def page(self, page: PageRequest) -> Sequence[FrequencyRuleRow]:
        statement = select(FrequencyRuleRow).where(FrequencyRuleRow.workspace_id == self._workspace_id)
        return (await self._unit.session.execute(page.apply(statement))).scalars().all()

    async def every(self) -> Sequence[FrequencyRuleRow]:
        """All rules, oldest first."""
        statement = (
            select(FrequencyRuleRow)
            .where(FrequencyRuleRow.workspace_id == self._workspace_id)
            .order_by(FrequencyRuleRow.created_at, FrequencyRuleRow.id)
        )
        return (await self._unit.session.execute(statement)).scalars().all()

    async def remove(self, rule_id: UUID) -> None:
        statement = delete(FrequencyRuleRow).where(
            FrequencyRuleRow.workspace_id == self._workspace_id, FrequencyRuleRow.id == rule_id
        )
        await self._unit.session.execute(statement)

    async def reached(self, contact_ids: Collection[UUID], limits: Sequence[Limit]) -> list[Reached]:
        """Which of the contacts have reached which of the limits."""
        rows = await self._unit.connection.fetch(
            _REACHED,
            self._workspace_id,
            list(contact_ids),
            [limit.most for limit in limits],
            [limit.since for limit in limits],
        )
        return [Reached(row["contact_id"], row["place"] - 1, row["created_at"]) for row in rows]


# The n-th newest invitation decides a limit of n. One that bounced has reached nobody; one that was revoked
# had been sent. There is no upper end: what another transaction has made in the meantime may be dated after
# this unit's own "now", and counts.
_REACHED = """
    SELECT wanted.id AS contact_id, limits.place, nth.created_at
    FROM unnest($2::uuid[]) AS wanted (id)
    CROSS JOIN unnest($3::int[], $4::timestamptz[]) WITH ORDINALITY AS limits (most, since, place)
    CROSS JOIN LATERAL (
        SELECT created_at FROM survey_invitations
        WHERE workspace_id = $1 AND contact_id = wanted.id AND created_at > limits.since AND NOT is_test
            AND delivery <> 'bounced'
        ORDER BY created_at DESC, id DESC OFFSET limits.most - 1 LIMIT 1
    ) AS nth
"""
