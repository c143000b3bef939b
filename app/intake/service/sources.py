"""Sources: partner systems and the secrets they sign with."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.intake.errors import TooManySecrets
from app.intake.models import SourceRow
from app.intake.repository import SourceRepository
from app.intake.schemas import Source, SourceCreate, SourcePage, SourcePatch, SourceWithSecret
from app.kit.crypto import Cipher
from app.kit.database import Unit
from app.kit.errors import Conflict, NotFound
from app.kit.ids import new_id
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.kit.signing import new_secret

OLD_SECRET_WORKS = timedelta(hours=24)
MOST_SECRETS = 10

LONGEST_KEY = 80
NAMELESS = "source"

_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_.:-]+")


class SourceService:
    """Makes, finds, changes, archives and restores sources, and rotates their secrets."""

    def __init__(self, unit: Unit, cipher: Cipher) -> None:
        self.unit = unit
        self.cipher = cipher
        self.repository = SourceRepository(unit)

    async def create(self, new: SourceCreate) -> SourceWithSecret:
        """Makes a source and its first secret."""
        source_id, secret, key = new_id(), new_secret(), key_of(new.name)
        values = {
            "id": source_id,
            "name": new.name,
            "secrets": [self._sealed(secret)],
            "created_at": self.unit.now,
            "updated_at": self.unit.now,
            "version": 1,
        }
        row = await self.repository.add(values | {"key": key})
        if row is None:
            row = await self.repository.add(values | {"key": f"{key}-{source_id.hex[-8:]}"})
        if row is None:
            raise Conflict("Another source was given this key just now. Try again.")
        return await self._with_secret(row, secret)

    async def get(self, source_id: UUID) -> Source:
        return await self._shown(await self._source(source_id))

    async def list(self, page: PageRequest, *, include_archived: bool) -> SourcePage:
        rows = await self.repository.page(page, include_archived=include_archived)
        kept, cursor = page.cut(rows)
        return SourcePage(items=await self._all_shown(kept), next_cursor=cursor)

    async def update(self, source_id: UUID, patch: SourcePatch, precondition: Precondition) -> Source:
        row = await self._source(source_id, lock=True)
        precondition.check(row.version)
        await self._apply(row, patch.changes())
        return await self._shown(row)

    async def archive(self, source_id: UUID, precondition: Precondition) -> None:
        """Archiving an archived source changes nothing."""
        row = await self._source(source_id, lock=True)
        precondition.check(row.version)
        if row.archived_at is None:
            await self._apply(row, {"archived_at": self.unit.now})

    async def restore(self, source_id: UUID) -> Source:
        """Restoring an active source changes nothing."""
        row = await self._source(source_id, lock=True)
        await self._apply(row, {"archived_at": None})
        return await self._shown(row)

    async def rotate(self, source_id: UUID) -> SourceWithSecret:
        """Makes a new secret; those before it work for another 24 hours, or as long as they had left."""
        row = await self._source(source_id, lock=True)
        working = working_secrets(row.secrets, self.unit.now)
        if len(working) >= MOST_SECRETS:
            raise TooManySecrets(
                f"At most {MOST_SECRETS} secrets work at once. Wait for an older one to end."
            )
        until = (self.unit.now + OLD_SECRET_WORKS).isoformat()
        older = [each if each["until"] else each | {"until": until} for each in working]
        secret = new_secret()
        await self._apply(row, {"secrets": [*older, self._sealed(secret)]})
        return await self._with_secret(row, secret)

    def _sealed(self, secret: str) -> dict[str, Any]:
        return {"sealed": self.cipher.seal(secret), "until": None}

    async def _source(self, source_id: UUID, *, lock: bool = False) -> SourceRow:
        row = await self.repository.get(source_id, lock=lock)
        if row is None:
            raise unknown_source()
        return row

    async def _apply(self, row: SourceRow, changes: dict[str, Any]) -> None:
        if all(getattr(row, name) == value for name, value in changes.items()):
            return
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = self.unit.now
        await self.repository.save()

    async def _shown(self, row: SourceRow) -> Source:
        return (await self._all_shown([row]))[0]

    async def _all_shown(self, rows: Sequence[SourceRow]) -> Sequence[Source]:
        counts = await self.repository.counts([row.id for row in rows])
        return [
            Source(
                id=row.id,
                name=row.name,
                key=row.key,
                pending=counts.get((row.id, "pending"), 0),
                parked=counts.get((row.id, "parked"), 0),
                last_event_at=row.last_event_at,
                older_secrets_until=self._older_secrets_until(row),
                created_at=row.created_at,
                updated_at=row.updated_at,
                archived_at=row.archived_at,
                version=row.version,
            )
            for row in rows
        ]

    def _older_secrets_until(self, row: SourceRow) -> datetime | None:
        ends = [each["until"] for each in working_secrets(row.secrets, self.unit.now) if each["until"]]
        return max(map(datetime.fromisoformat, ends), default=None)

    async def _with_secret(self, row: SourceRow, secret: str) -> SourceWithSecret:
        source = await self._shown(row)
        return SourceWithSecret(**source.model_dump(), secret=secret)


def key_of(name: str) -> str:
    """`Café Shop` is `Cafe-Shop`: what a touchpoint's `source` may hold, close to the name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_IN_A_KEY.sub("-", plain).strip("_.:-")[:LONGEST_KEY] or NAMELESS


def working_secrets(secrets: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Those whose time is not over."""
    return [each for each in secrets if not each["until"] or datetime.fromisoformat(each["until"]) > now]


def unknown_source() -> NotFound:
    """The refusal of an id that is no source's, or another workspace's."""
    return NotFound("There is no such source.")
