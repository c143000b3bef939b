"""Use cases of whoever manages endpoints."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.kit.database import Unit
from app.kit.errors import Invalid, NotFound
from app.kit.ids import new_id
from app.kit.outbound import RefusedAddress
from app.kit.pages import PageRequest
from app.kit.preconditions import Precondition
from app.kit.resources import Resources
from app.kit.signing import new_secret
from app.webhooks.errors import TooManySecrets
from app.webhooks.models import EndpointRow
from app.webhooks.repository import EndpointRepository
from app.webhooks.schemas import (
    WebhookEndpoint,
    WebhookEndpointCreate,
    WebhookEndpointPage,
    WebhookEndpointPatch,
    WebhookEndpointWithSecret,
)
from app.webhooks.service.health import clear_record
from app.webhooks.service.secrets import valid_entries

OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
MOST_SECRETS = 10


class EndpointService:
    """Subscriptions: made, changed, archived, given new secrets. `event_types` is the whole catalogue."""

    def __init__(self, unit: Unit, resources: Resources, event_types: Collection[str]) -> None:
        self.unit = unit
        self.resources = resources
        self.event_types = event_types
        self.repository = EndpointRepository(unit)

    async def create(self, new: WebhookEndpointCreate) -> WebhookEndpointWithSecret:
        self._check_url(new.url)
        secret = new_secret()
        row = EndpointRow(
            workspace_id=self.unit.workspace_id,
            id=new_id(),
            url=new.url,
            description=new.description,
            event_types=check_event_types(new.event_types, self.event_types),
            secrets=[{"sealed": self.resources.cipher.seal(secret), "expires_at": None}],
            status="enabled",
            consecutive_failures=0,
            recent_tries=[],
            created_at=self.unit.now,
            updated_at=self.unit.now,
            version=1,
        )
        await self.repository.add(row)
        return _with_secret(row, secret)

    async def get(self, endpoint_id: UUID) -> WebhookEndpoint:
        return WebhookEndpoint.model_validate(await self._row(endpoint_id))

    async def list(self, page: PageRequest, *, include_archived: bool) -> WebhookEndpointPage:
        rows = await self.repository.list(page, include_archived=include_archived)
        kept, cursor = page.cut(rows)
        return WebhookEndpointPage(
            items=[WebhookEndpoint.model_validate(row) for row in kept], next_cursor=cursor
        )

    async def update(
        self, endpoint_id: UUID, patch: WebhookEndpointPatch, precondition: Precondition
    ) -> WebhookEndpoint:
        """A new URL gets a clean record: the failures were the old one's."""
        row = await self._row(endpoint_id, lock=True)
        precondition.check(row.version)
        changes = patch.changes()
        if "url" in changes:
            self._check_url(changes["url"])
        if "event_types" in changes:
            changes["event_types"] = check_event_types(changes["event_types"], self.event_types)
        moved = changes.get("url", row.url) != row.url
        if any(getattr(row, name) != value for name, value in changes.items()):
            self._apply(row, changes)
        if moved:
            clear_record(row)
        return WebhookEndpoint.model_validate(row)

    async def archive(self, endpoint_id: UUID, precondition: Precondition) -> None:
        """Stops deliveries; what is still owed waits. Archiving an archived endpoint changes nothing."""
        row = await self._row(endpoint_id, lock=True)
        precondition.check(row.version)
        if row.archived_at is None:
            self._apply(row, {"archived_at": self.unit.now})

    async def restore(self, endpoint_id: UUID) -> WebhookEndpoint:
        row = await self._row(endpoint_id, lock=True)
        if row.archived_at is not None:
            self._apply(row, {"archived_at": None})
        return WebhookEndpoint.model_validate(row)

    async def enable(self, endpoint_id: UUID) -> WebhookEndpoint:
        """Sends again, with a clean record: what waited is due, and a pause ends."""
        row = await self._row(endpoint_id, lock=True)
        if row.status != "enabled" or row.consecutive_failures or row.paused_until is not None:
            clear_record(row)
            self._apply(row, {"status": "enabled", "disabled_reason": None, "disabled_at": None})
        return WebhookEndpoint.model_validate(row)

    async def rotate_secret(self, endpoint_id: UUID) -> WebhookEndpointWithSecret:
        """Makes a new secret; the old one signs as well for 24 hours."""
        row = await self._row(endpoint_id, lock=True)
        kept = valid_entries(row.secrets, self.unit.now)
        if len(kept) >= MOST_SECRETS:
            raise TooManySecrets("The secret was rotated too often in 24 hours. Wait until old ones expire.")
        expiry = (self.unit.now + OLD_SECRET_SIGNS_FOR).isoformat()
        aging = [entry | {"expires_at": entry["expires_at"] or expiry} for entry in kept]
        secret = new_secret()
        fresh = {"sealed": self.resources.cipher.seal(secret), "expires_at": None}
        self._apply(row, {"secrets": [fresh, *aging]})
        return _with_secret(row, secret)

    async def _row(self, endpoint_id: UUID, *, lock: bool = False) -> EndpointRow:
        row = await self.repository.get(endpoint_id, lock=lock)
        if row is None:
            raise no_such_endpoint()
        return row

    def _apply(self, row: EndpointRow, changes: Mapping[str, Any]) -> None:
        for name, value in changes.items():
            setattr(row, name, value)
        row.version += 1
        row.updated_at = self.unit.now

    def _check_url(self, url: str) -> None:
        try:
            self.resources.outbound.check_url(url)
        except RefusedAddress as refusal:
            raise Invalid.at("/url", str(refusal), "refused_url") from None


def check_event_types(names: Sequence[str], known: Collection[str], *, at: str = "/event_types") -> list[str]:
    """The names in order and once each. Raises `Invalid`, below `at`, for one not in the catalogue."""
    for index, name in enumerate(names):
        if name not in known:
            detail = "is not an event type: see GET /v1/event-types"
            raise Invalid.at(f"{at}/{index}", detail, "unknown_event_type")
    return sorted(set(names))


def no_such_endpoint() -> NotFound:
    """The refusal for an endpoint id that is unknown, or another workspace's."""
    return NotFound("There is no such webhook endpoint in this workspace.")


def _with_secret(row: EndpointRow, secret: str) -> WebhookEndpointWithSecret:
    return WebhookEndpointWithSecret(**WebhookEndpoint.model_validate(row).model_dump(), secret=secret)
