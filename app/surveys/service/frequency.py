"""Use cases over the rules on how often a contact may be asked."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.surveys.errors import TooManyFrequencyRules
from app.surveys.models.surveys import FrequencyRuleRow
from app.surveys.repository.frequency import FrequencyRepository
from app.surveys.schemas.frequency import (
    FrequencyRule,
    FrequencyRuleCreate,
    FrequencyRulePage,
    FrequencyRulePatch,
)

MOST_RULES = 20


class FrequencyRuleService:
    """The rules of a unit's workspace. A change holds from the next ask on."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = FrequencyRepository(unit)

    async def create(self, new: FrequencyRuleCreate) -> FrequencyRule:
        """Raises `TooManyFrequencyRules`, and `Invalid` for a rule that limits nothing."""
        said = new.model_dump()
        _check(said)
        await self.repository.lock()
        if await self.repository.count() >= MOST_RULES:
            raise TooManyFrequencyRules(f"A workspace has at most {MOST_RULES} rules.")
        row = FrequencyRuleRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            **said,
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        await self.repository.add(row)
        return FrequencyRule.model_validate(row)

    async def list(self, page: PageRequest) -> FrequencyRulePage:
        rows = await self.repository.page(page)
        kept, cursor = page.cut(rows)
        return FrequencyRulePage(
            items=[FrequencyRule.model_validate(row) for row in kept], next_cursor=cursor
        )

    async def get(self, rule_id: UUID) -> FrequencyRule:
        return FrequencyRule.model_validate(await self._row(rule_id))

    async def update(
        self, rule_id: UUID, patch: FrequencyRulePatch, precondition: Precondition
    ) -> FrequencyRule:
        row = await self._row(rule_id, lock=True)
        precondition.check(row.version)
        changes = {name: value for name, value in patch.changes().items() if getattr(row, name) != value}
        if changes:
            _check({name: changes.get(name, getattr(row, name)) for name in _LIMITS})
            for name, value in changes.items():
                setattr(row, name, value)
            row.version += 1
            row.updated_at = self.unit.now
        return FrequencyRule.model_validate(row)

    async def remove(self, rule_id: UUID, precondition: Precondition) -> None:
        """Removes it for good."""
        row = await self._row(rule_id, lock=True)
        precondition.check(row.version)
        await self.repository.remove(rule_id)

    async def _row(self, rule_id: UUID, *, lock: bool = False) -> FrequencyRuleRow:
        row = await self.repository.get(rule_id, lock=lock)
        if row is None:
            raise NotFound("There is no such contact frequency rule in this workspace.")
        return row


_LIMITS = ("max_invitations", "window_hours", "min_gap_hours")


def _check(rule: Mapping[str, Any]) -> None:
    if (rule["max_invitations"] is None) != (rule["window_hours"] is None):
        absent = "max_invitations" if rule["max_invitations"] is None else "window_hours"
        detail = "max_invitations and window_hours go together"
        raise Invalid.at(f"/{absent}", detail, "missing")
    if all(rule[name] is None for name in _LIMITS):
        detail = "needs max_invitations with window_hours, or min_gap_hours"
        raise Invalid.at("", detail, "no_limit")
