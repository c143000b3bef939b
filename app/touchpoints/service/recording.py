"""The one path by which touchpoints come in: many at a time, with a fixed number of statements.

Every writer takes its locks in one order, so that batches over the same contacts never wait for each other
in a circle: identities of contacts to be made, keys of touchpoints to be made, touchpoints that are there,
statistics of contacts; each of these sorted.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.contacts.service.resolving import ContactResolver, Reference
from app.kit.database import Unit
from app.kit.errors import Problem
from app.kit.outbox import emit_raw
from app.touchpoints.errors import TouchpointGone
from app.touchpoints.events import RECORDED, UPDATED, changed_json
from app.touchpoints.models import TouchpointRecord
from app.touchpoints.repository import TouchpointRepository
from app.touchpoints.schemas import RecordedStatus, TouchpointCreate
from app.touchpoints.service.rules import Rules
from app.touchpoints.service.statistics import keep_statistics


class Change(NamedTuple):
    """What an item did: `before` is None for a new touchpoint, and `after` itself for an unchanged one."""

    before: TouchpointRecord | None
    after: TouchpointRecord

    @property
    def status(self) -> RecordedStatus:
        if self.before is None:
            return "created"
        return "unchanged" if self.before is self.after else "updated"


_Key = tuple[str, str, int]
"""Source and external id; or, for a touchpoint without these, its own place, which no other one has."""


class Recorder:
    """Records items in order: a later one sees what an earlier one with the same key did."""

    def __init__(self, unit: Unit, currency: str) -> None:
        self.unit = unit
        self.currency = currency
        self.repository = TouchpointRepository(unit)
        self.results: dict[int, Change | Problem] = {}

    async def record(self, items: Sequence[TouchpointCreate | Problem]) -> list[Change | Problem]:
        """What each item did, or why it was refused."""
        drafts = await self._drafts(items)
        places = _places_by_key(drafts)
        stories = {key: _replay(None, drafts, places[key]) for key in sorted(places)}
        fresh = await self.repository.insert([story[-1].after for story in stories.values()])
        known = {key: places[key] for key, story in stories.items() if story[-1].after.id not in fresh}
        stories |= await self._amend(known, drafts)
        await keep_statistics(
            self.unit, [(each[0].before, each[-1].after) for each in stories.values() if each]
        )
        for key, story in stories.items():
            self.results.update(zip(places[key], story, strict=False))
        self._tell()
        return [self.results[place] for place in range(len(items))]

    async def _drafts(self, items: Sequence[TouchpointCreate | Problem]) -> dict[int, TouchpointRecord]:
        """The sound items by their places, each with its contact; the others become results."""
        rules = Rules(self.currency, self.unit.now)
        drafts: dict[int, TouchpointRecord] = {}
        references: list[Reference] = []
        for place, item in enumerate(items):
            if isinstance(item, Problem):
                self._refuse(place, item)
                continue
            draft = rules.draft(item)
            if isinstance(draft, Problem):
                self._refuse(place, draft)
            else:
                drafts[place] = draft
                references.append(Reference(item.contact_id, item.contact, "", draft.occurred_at))
        contacts = await ContactResolver(self.unit).resolve(references)
        for place, contact in zip(list(drafts), contacts, strict=True):
            if isinstance(contact, Problem):
                self._refuse(place, contact)
                del drafts[place]
            elif contact != drafts[place].contact_id:
                drafts[place] = drafts[place].of_contact(contact)
        return drafts

    async def _amend(
        self, known: Mapping[_Key, Sequence[int]], drafts: Mapping[int, TouchpointRecord]
    ) -> dict[_Key, list[Change]]:
        """Brings touchpoints that were there before up to date. One erased this very moment has no story."""
        held = await self.repository.locked_by_key([key[:2] for key in known])
        stories: dict[_Key, list[Change]] = {}
        for key, places in known.items():
            record = held.get(key[:2])
            stories[key] = [] if record is None else _replay(record, drafts, places)
            if record is None:
                for place in places:
                    self._refuse(place, TouchpointGone("It was erased just now; send it again."))
        ends = [(story[0].before, story[-1].after) for story in stories.values() if story]
        await self.repository.update([after for before, after in ends if after is not before])
        return stories

    def _refuse(self, place: int, problem: Problem) -> None:
        self.results[place] = problem

    def _tell(self) -> None:
        for place in sorted(self.results):
            change = self.results[place]
            if isinstance(change, Change) and change.after is not change.before:
                event_type = RECORDED if change.before is None else UPDATED
                data = changed_json(change.after, change.before, self.currency)
                emit_raw(self.unit, event_type, data, subject_id=change.after.contact_id)


def _places_by_key(drafts: Mapping[int, TouchpointRecord]) -> dict[_Key, list[int]]:
    places: dict[_Key, list[int]] = {}
    for place, draft in drafts.items():
        key = ("", "", place)
        if draft.external_id is not None and draft.source is not None:
            key = (draft.source, draft.external_id, 0)
        places.setdefault(key, []).append(place)
    return places


def _replay(
    stored: TouchpointRecord | None, drafts: Mapping[int, TouchpointRecord], places: Sequence[int]
) -> list[Change]:
    """What one touchpoint goes through when the drafts of these places come one after the other."""
    story = []
    for place in places:
        after = drafts[place] if stored is None else stored.amended(drafts[place])
        story.append(Change(stored, after))
        stored = after
    return story
