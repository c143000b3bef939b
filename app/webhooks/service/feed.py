"""The change feed: numbered events in commit order, by page or as a stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from pydantic.json_schema import models_json_schema

from app.kit.database import Database, Unit
from app.kit.database_problems import DATABASE_ERRORS
from app.kit.errors import Invalid, Problem
from app.kit.outbox import EventType
from app.webhooks.repository import FeedRepository
from app.webhooks.schemas import EventTypeDescription, EventTypePage, FeedEvent, FeedPage

log = structlog.get_logger()

LATEST = "latest"
# Looking for a rare type must not read a year of events in one request: the answer is then short, perhaps
# empty, and says from where to go on.
MOST_SCANNED = 20_000

STREAM_SECONDS = 300.0
POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0
STREAM_BATCH = 200


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader begins: a position it was given, or `latest`. `pointer` names the parameter."""

    text: str = "0"
    pointer: str = "?after"


class FeedService:
    """Reads events by their number. A reader that goes on from `position` misses nothing."""

    def __init__(self, unit: Unit) -> None:
        self.repository = FeedRepository(unit)

    async def page(self, start: Start, types: Sequence[str], limit: int) -> FeedPage:
        """Raises `Invalid` for a position beyond the end, which some other database must have given."""
        last = await self.repository.last_sequence()
        after = _position(start, last)
        # The end is read before the events, so nothing that is numbered in between can be jumped over.
        until = min(last, after + MOST_SCANNED) if types else last
        rows = await self.repository.between(after, until, types, limit) if until > after else []
        reached = until if len(rows) < limit else rows[-1].sequence or until
        return FeedPage(
            items=[FeedEvent.model_validate(row) for row in rows],
            next_cursor=str(reached) if reached < last else None,
            position=str(reached),
        )


class EventStream:
    """A page after the other as server-sent events, for a few minutes; the reader then connects again.

    No connection and no transaction is held between two looks.
    """

    def __init__(
        self, database: Database, workspace_id: UUID, types: Sequence[str], is_stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._workspace_id = workspace_id
        self._types = types
        self._is_stopping = is_stopping

    async def page(self, start: Start) -> FeedPage:
        async with self._database.unit(self._workspace_id, read_only=True) as unit:
            return await FeedService(unit).page(start, self._types, STREAM_BATCH)

    async def frames(self, page: FeedPage) -> AsyncIterator[bytes]:
        """Everything from `page` on. Ends early when the process stops or the database is away."""
        clock = asyncio.get_running_loop().time
        ends_at, spoke_at = clock() + STREAM_SECONDS, clock()
        yield b"retry: 1000\n\n"
        while True:
            for event in page.items:
                yield _frame(event)
                spoke_at = clock()
            if page.next_cursor is None:
                if clock() - spoke_at >= KEEP_ALIVE_SECONDS:
                    yield _keep_alive(page.position)
                    spoke_at = clock()
                await asyncio.sleep(POLL_SECONDS)
            if clock() >= ends_at or self._is_stopping():
                return
            try:
                page = await self.page(Start(page.position))
            except (Problem, *DATABASE_ERRORS) as error:
                log.warning("feed.stream_ended", error=type(error).__name__)
                return


def describe(event_types: Sequence[EventType]) -> EventTypePage:
    """The catalogue, in the order of its names."""
    items = [
        EventTypeDescription(
            name=event_type.name,
            version=event_type.version,
            description=event_type.description,
            json_schema=body_schema(event_type),
        )
        for event_type in sorted(event_types, key=lambda event_type: event_type.name)
    ]
    return EventTypePage(items=items, next_cursor=None)


def body_schema(event_type: EventType) -> dict[str, Any]:
    """The JSON Schema of what is posted for an event, complete in itself."""
    name = event_type.data.__name__
    # Not `model_json_schema`, which loses its way in a shape that holds itself, such as a filter.
    _, made = models_json_schema([(event_type.data, "serialization")])
    schema = event_type.envelope_schema()
    schema["properties"]["data"] = {"$ref": f"#/$defs/{name}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": made["$defs"]}


def _position(start: Start, last: int) -> int:
    if start.text == LATEST:
        return last
    position = int(start.text)
    if position > last:
        raise Invalid.at(start.pointer, "lies beyond the end of the feed", "unknown_position")
    return position


def _frame(event: FeedEvent) -> bytes:
    return f"id: {event.sequence}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()


def _keep_alive(position: str) -> bytes:
    """A comment, and the position, so that a reader of rare types does not start far back next time."""
    return f": keep-alive\nid: {position}\n\n".encode()
