"""Use cases over surveys themselves: making, changing, opening and closing them."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid
from app.kit.ids import new_id
from app.kit.jobs import enqueue
from app.kit.outbox import EventType, emit
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.surveys.errors import SurveyAnswered, SurveyNotOpen, SurveyOver, unknown_survey
from app.surveys.events import CLOSED, OPENED, SurveyChanged
from app.surveys.models.surveys import SurveyRow, SurveyType, SurveyVersionRow
from app.surveys.repository.invitations import InvitationRepository
from app.surveys.repository.surveys import SurveyRepository
from app.surveys.schemas.questions import questions_of
from app.surveys.schemas.surveys import (
    Survey,
    SurveyCreate,
    SurveyPage,
    SurveyPatch,
    SurveyVersion,
    SurveyVersionPage,
)
from app.surveys.service.planning import TriggerService, plan_audience
from app.surveys.service.questionnaire import Questionnaire
from app.surveys.service.settings import SettingsCheck, usual_followup_rules
from app.surveys.service.soundness import checked
from app.surveys.service.timing import Calendar
from app.surveys.service.translating import changed_texts
from app.surveys.service.turning import next_turn

TURN_JOB = "surveys.turn"
SURVEYS_AT_ONCE = 50

Questions = list[dict[str, Any]]
"""Questions as a version stores them."""


@dataclass(frozen=True, slots=True)
class SurveyListing:
    """The filters of the list of surveys; None where one is not used."""

    state: str | None = None
    type: str | None = None
    include_archived: bool = False


class SurveyService:
    """The surveys of a unit's workspace."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.repository = SurveyRepository(unit)
        self._calendar: Calendar | None = None

    async def create(self, new: SurveyCreate) -> Survey:
        """A draft. Raises `Invalid` with every wrong place."""
        questions = await _checked(new.questions, new.type)
        settings = _stored({name: getattr(new, name) for name in type(new).model_fields})
        settings.pop("questions")
        if settings["followup_rules"] is None:
            settings["followup_rules"] = usual_followup_rules(new.type, anonymous=new.anonymous)
        await SettingsCheck(self.unit).check(settings, questions, set(settings))
        row = SurveyRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            **settings,
            state="draft",
            answered=False,
            questions_version=1,
            invited_iteration=0,
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        version = self._new_version(row, questions)
        await self.repository.add(row, version)
        return await self._survey(row, version)

    async def get(self, survey_id: UUID) -> Survey:
        row = await self.found(survey_id)
        return await self._survey(row)

    async def found(self, survey_id: UUID, *, lock: bool = False) -> SurveyRow:
        """The row, archived or not. Raises `NotFound`."""
        row = await self.repository.get(survey_id, lock=lock)
        if row is None:
            raise unknown_survey()
        return row

    async def anonymous_among(self, survey_ids: Collection[UUID]) -> set[UUID]:
        """Which of these surveys are anonymous; unknown ones are not."""
        rows = await self.repository.some(survey_ids)
        return {row.id for row in rows.values() if row.anonymous}

    async def list(self, page: PageRequest, listing: SurveyListing) -> SurveyPage:
        rows = await self.repository.page(
            page, state=listing.state, type=listing.type, include_archived=listing.include_archived
        )
        kept, cursor = page.cut(rows)
        versions = await self.repository.versions(kept)
        items = [await self._survey(row, versions[row.id]) for row in kept]
        return SurveyPage(items=items, next_cursor=cursor)

    async def versions(self, survey_id: UUID, limit: int, cursor: str | None) -> SurveyVersionPage:
        """Newest first; the cursor is the number of the last one of the page before."""
        row = await self.found(survey_id)
        after = _version_cursor(cursor, row.questions_version)
        rows = await self.repository.versions_before(survey_id, after, limit + 1)
        page = rows[:limit]
        return SurveyVersionPage(
            items=[_version(each) for each in page],
            next_cursor=str(page[-1].number) if len(rows) > limit else None,
        )

    async def update(self, survey_id: UUID, patch: SurveyPatch, precondition: Precondition) -> Survey:
        """Raises `SurveyAnswered` when it would change what respondents were promised.

        A scheduled survey that has no `opens_at` any longer is a draft.
        """
        row = await self.found(survey_id, lock=True)
        precondition.check(row.version)
        version = await self.repository.version(survey_id, row.questions_version)
        said = patch.changes()
        changes = _stored(said) | changed_texts(row, said)
        changes.pop("questions", None)
        questions = version.questions
        if "questions" in patch.model_fields_set:
            questions = await _checked(patch.questions, row.type)
        changes = {name: value for name, value in changes.items() if getattr(row, name) != value}
        _refuse_fixed(row, changes)
        as_it_would_be = {name: getattr(row, name) for name in _SETTINGS} | changes
        await SettingsCheck(self.unit).check(as_it_would_be, questions, set(changes))
        if changes or questions != version.questions:
            version = await self._ask(row, version, questions)
            if row.state == "scheduled" and changes.get("opens_at", row.opens_at) is None:
                changes["state"] = "draft"
            await self._apply(row, changes)
            await self._let_follow(row, changes)
        return await self._survey(row, version)

    async def open(self, survey_id: UUID) -> Survey:
        """Opens a survey, or schedules it when it has an `opens_at` ahead. An open one stays as it is."""
        row = await self.found(survey_id, lock=True)
        if row.archived_at is not None:
            raise SurveyNotOpen("The survey is archived: restore it first.")
        if row.closes_at is not None and row.closes_at <= self.unit.now:
            raise SurveyOver("Its closes_at has passed: change or clear it first.")
        if _waits(row, self.unit.now):
            if row.state == "draft":
                await self._apply(row, {"state": "scheduled"})
        elif row.state != "open":
            await self._open(row)
        return await self._survey(row)

    async def close(self, survey_id: UUID) -> Survey:
        """Closes a survey; a scheduled one becomes a draft again. A closed one stays as it is."""
        row = await self.found(survey_id, lock=True)
        if row.state == "draft":
            raise SurveyNotOpen("The survey is a draft: there is nothing to close.")
        if row.state == "scheduled":
            await self._apply(row, {"state": "draft"})
        elif row.state == "open":
            await self._close(row)
        return await self._survey(row)

    async def archive(self, survey_id: UUID, precondition: Precondition) -> None:
        """Archives a survey, which closes it, and makes a scheduled one a draft. Archiving an archived one
        changes nothing."""
        row = await self.found(survey_id, lock=True)
        precondition.check(row.version)
        if row.archived_at is not None:
            return
        if row.state == "open":
            await self._close(row, archived_at=self.unit.now)
        else:
            state = "draft" if row.state == "scheduled" else row.state
            await self._apply(row, {"state": state, "archived_at": self.unit.now})

    async def restore(self, survey_id: UUID) -> Survey:
        """Brings an archived survey back, closed or as a draft. Restoring an active one changes nothing."""
        row = await self.found(survey_id, lock=True)
        if row.archived_at is not None:
            await self._apply(row, {"archived_at": None})
        return await self._survey(row)

    async def turn(self) -> bool:
        """Does what the passing of time asks for, to some surveys; says whether there may be more."""
        rows = await self.repository.turning(SURVEYS_AT_ONCE)
        for row in rows:
            await self._turn(row)
        return len(rows) == SURVEYS_AT_ONCE

    async def _turn(self, row: SurveyRow) -> None:
        if row.state == "scheduled":
            await self._open(row)
        elif row.closes_at is not None and row.closes_at <= self.unit.now:
            await self._close(row)
        else:
            await self._begin_iteration(row)

    async def _begin_iteration(self, row: SurveyRow) -> None:
        calendar = await self._days()
        present = calendar.iteration(row, self.unit.now)
        if row.state == "open" and row.recurrence_invites and row.invited_iteration < present:
            await plan_audience(self.unit, row)
            row.invited_iteration = present
        row.turn_at = next_turn(row, calendar)
        await self.unit.session.flush()

    async def _open(self, row: SurveyRow) -> None:
        await self._apply(
            row, {"state": "open", "opened_at": row.opened_at or self.unit.now, "closed_at": None}
        )
        await self._tell(OPENED, row)

    async def _close(self, row: SurveyRow, **more: Any) -> None:
        await self._apply(row, {"state": "closed", "closed_at": _over_since(row, self.unit.now), **more})
        await self._tell(CLOSED, row)

    async def _apply(self, row: SurveyRow, changes: Mapping[str, Any]) -> None:
        for name, value in changes.items():
            setattr(row, name, value)
        row.updated_at = self.unit.now
        row.version += 1
        row.turn_at = next_turn(row, await self._days())
        if row.turn_at is not None and row.turn_at <= self.unit.now:
            enqueue(self.unit, TURN_JOB)
        await self.unit.session.flush()

    async def _let_follow(self, row: SurveyRow, changes: Mapping[str, Any]) -> None:
        """What the survey has set in motion goes on by its new settings."""
        if "triggers" in changes:
            await TriggerService(self.unit).reconsider(row)
        if {"reminders_max", "reminder_gap_hours"} & changes.keys():
            await InvitationRepository(self.unit).remind_anew(row)

    async def _ask(self, row: SurveyRow, version: SurveyVersionRow, questions: Questions) -> SurveyVersionRow:
        """Makes these the questions: in place, or as a new version if somebody answered the present one."""
        if questions == version.questions:
            return version
        if not version.answered:
            version.questions = questions
            version.score_key = Questionnaire.read(questions, row.type).score_key
            return version
        row.questions_version += 1
        fresh = self._new_version(row, questions)
        await self.repository.add_version(fresh)
        return fresh

    def _new_version(self, row: SurveyRow, questions: Questions) -> SurveyVersionRow:
        return SurveyVersionRow(
            workspace_id=row.workspace_id,
            survey_id=row.id,
            number=row.questions_version,
            questions=questions,
            score_key=Questionnaire.read(questions, row.type).score_key,
            answered=False,
            created_at=self.unit.now,
        )

    async def _tell(self, event_type: EventType, row: SurveyRow) -> None:
        emit(self.unit, event_type, SurveyChanged(survey=await self._survey(row)))

    async def _survey(self, row: SurveyRow, version: SurveyVersionRow | None = None) -> Survey:
        if version is None:
            version = await self.repository.version(row.id, row.questions_version)
        calendar = await self._days()
        iteration = None if row.opened_at is None else calendar.iteration(row, self.unit.now)
        columns = {name: getattr(row, name) for name in Survey.model_fields if hasattr(row, name)}
        return Survey(
            **columns,
            questions=questions_of(version.questions),
            score_question=version.score_key,
            iteration=iteration,
        )

    async def _days(self) -> Calendar:
        if self._calendar is None:
            self._calendar = await Calendar.of(self.unit)
        return self._calendar


def _waits(row: SurveyRow, now: datetime) -> bool:
    """Whether opening it means that it opens later."""
    return row.state in ("draft", "scheduled") and row.opens_at is not None and row.opens_at > now


def _over_since(row: SurveyRow, now: datetime) -> datetime:
    """When a survey that closes now was over: what it takes does not depend on how late anybody saw to it."""
    return now if row.closes_at is None else min(row.closes_at, now)


def _refuse_fixed(row: SurveyRow, changes: Mapping[str, Any]) -> None:
    if row.answered and "anonymous" in changes:
        raise SurveyAnswered("Whether a survey is anonymous stays once it has a response.")
    recurs = row.opened_at is not None and row.recurrence_days is not None
    if recurs and "recurrence_days" in changes:
        detail = "is fixed once the survey was opened: it says which iteration anything belongs to"
        raise Invalid.at("/recurrence_days", detail, "fixed")
    if row.opened_at is not None and "opens_at" in changes:
        detail = "is fixed once the survey was opened: `POST …/open` opens a closed one again at once"
        raise Invalid.at("/opens_at", detail, "fixed")


_SETTINGS = tuple(name for name in SurveyCreate.model_fields if name != "questions")


def _stored(said: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a request as the row keeps them: filters, triggers and rules as JSON."""
    stored = dict(said)
    if stored.get("audience") is not None:
        stored["audience"] = stored["audience"].model_dump(mode="json")
    for name in ("triggers", "followup_rules"):
        if stored.get(name) is not None:
            stored[name] = [each.model_dump(mode="json") for each in stored[name]]
    return stored


async def _checked(questions: Any, survey_type: SurveyType) -> Questions:
    """Checked beside the event loop: going through long branches may take some tenths of a second."""
    return await asyncio.to_thread(checked, questions, survey_type)


def _version(row: SurveyVersionRow) -> SurveyVersion:
    return SurveyVersion(
        questions_version=row.number,
        questions=questions_of(row.questions),
        answered=row.answered,
        created_at=row.created_at,
    )


def _version_cursor(cursor: str | None, latest: int) -> int:
    if cursor is None:
        return latest + 1
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 9):
        raise Invalid.at("?cursor", "is not a cursor of this list", "invalid_cursor")
    return int(cursor)
