"""The fast lane of a handful of hot paths: statements compiled once, and answers written without models.

A statement of SQLAlchemy Core is compiled at import to SQL and the order of its parameters, and run on the
unit's raw connection; through a session the same read costs some 400 µs more, of which the database sees
nothing. An answer is put together from the rows and written by orjson. Everywhere else the clear way is the
way, and where there is a fast one, a test holds that both give the same bytes.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.kit.database import Unit

_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class HotStatement:
    """A statement whose values are all named `bindparam`s."""

    def __init__(self, statement: sa.Executable) -> None:
        compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self.order: Sequence[str] = tuple(compiled.positiontup)

    async def fetch(self, unit: Unit, **values: Any) -> "list[asyncpg.Record]":
        """The rows. The unit's workspace goes in as `workspace_id` by itself."""
        return await unit.connection.fetch(self.sql, *self._arguments(unit, values))

    async def fetchrow(self, unit: Unit, **values: Any) -> "asyncpg.Record | None":
        """The first row, None if there is none."""
        return await unit.connection.fetchrow(self.sql, *self._arguments(unit, values))

    def _arguments(self, unit: Unit, values: dict[str, Any]) -> list[Any]:
        values["workspace_id"] = unit.workspace_id
        return [values[name] for name in self.order]


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer that is written already, and what its headers are made of."""

    body: bytes
    version: int | None = None
    next_cursor: str | None = None


def to_json(value: Any) -> bytes:
    """The bytes that pydantic would write, for values in the order of the model's fields."""
    # The driver's UUIDs are a subclass, which orjson leaves to `default`.
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


YOUNG = 20_000


def settle_heap() -> None:
    """Takes what was made at start out of the garbage collector's sight, and lets it look less often.

    A batch of a thousand makes a hundred thousand objects that all die by themselves; with the default
    threshold and all of the start in sight, the collector took two fifths of the whole batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
