"""HTTP face of the contacts room."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import TypeAdapter
from starlette.types import Scope

from app.contacts.models import LifecycleStage, SuppressionKind
from app.contacts.repository.consents import CONSENT_SORTING
from app.contacts.repository.contacts import DEFINITION_SORTING, SORTING
from app.contacts.repository.suppressions import SUPPRESSION_SORTING
from app.contacts.schemas.consents import Consent, ConsentCreate, ConsentPage, CurrentConsents, Purpose
from app.contacts.schemas.contacts import (
    AttributeDefinition,
    AttributeDefinitionCreate,
    AttributeDefinitionPage,
    AttributeDefinitionPatch,
    Contact,
    ContactBatch,
    ContactBatchResult,
    ContactCreate,
    ContactPage,
    ContactPatch,
    ContactSearch,
)
from app.contacts.schemas.suppressions import (
    RecordedSuppression,
    SuppressedEmail,
    SuppressedPhone,
    Suppression,
    SuppressionCreate,
    SuppressionPage,
)
from app.contacts.service.attributes import AttributeService
from app.contacts.service.consents import ConsentService
from app.contacts.service.contacts import ContactListing, ContactService
from app.contacts.service.reading import ContactReader
from app.contacts.service.suppressions import SuppressionListing, SuppressionService
from app.contacts.service.upserting import ContactUpserter
from app.kit.calls import Access, Call
from app.kit.lanes import Lane, plain_body, plain_id, plain_query
from app.kit.pages import DEFAULT_ROWS, MOST_ROWS, PageRequest
from app.kit.parameters import Atomic, Cursor, DryRun, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.web import JsonRoute

router = APIRouter(prefix="/v1", tags=["contacts"], route_class=JsonRoute)

READ, WRITE = Access("contacts:read"), Access("contacts:write")
Reader = Annotated[Call, Depends(READ)]
Writer = Annotated[Call, Depends(WRITE)]


@router.post("/contacts", operation_id="contacts_create", response_model=Contact, status_code=201)
async def create_contact(
    new: ContactCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Makes a contact. 409 names the contact that has one of the keys already."""
    return await call.write(
        lambda unit: ContactService(unit).create(new),
        status=201,
        location=lambda contact: f"/v1/contacts/{contact.id}",
    )


@router.get("/contacts", operation_id="contacts_list", response_model=ContactPage)
async def list_contacts(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SORTING)] = None,
    lifecycle_stage: Annotated[LifecycleStage | None, Query(description="Only this stage.")] = None,
    owner_id: Annotated[UUID | None, Query(description="Only this member's.")] = None,
    tag: Annotated[str | None, Query(max_length=100, description="Only those with this tag.")] = None,
    email: Annotated[str | None, Query(max_length=254, description="Only the one with this address.")] = None,
    include_archived: Annotated[bool, Query(description="Archived contacts as well.")] = False,
) -> Response:
    """The contacts, newest first unless sorted otherwise. `contacts_search` takes any filter."""
    listing = ContactListing(lifecycle_stage, owner_id, tag, email, include_archived)
    query = [lifecycle_stage, owner_id, tag, email, include_archived]
    page = PageRequest(SORTING.parse(sort), limit, cursor, query)
    return await call.read(lambda unit: ContactReader(unit).list(page, listing))


@router.post("/contacts/search", operation_id="contacts_search", response_model=ContactPage)
async def search_contacts(search: ContactSearch, call: Reader) -> Response:
    """Contacts by the filter grammar, over their own fields, tags, attributes and statistics."""
    return await call.read(lambda unit: ContactService(unit).search(search))


@router.post("/contacts/batch", operation_id="contacts_batch", response_model=ContactBatchResult)
async def batch_contacts(
    batch: ContactBatch,
    call: Writer,
    atomic: Atomic = False,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Makes or brings up to date up to 1,000 contacts, matched by external id or email address."""
    return await call.write(
        lambda unit: ContactUpserter(unit).batch(batch.items, atomic=atomic, dry_run=dry_run)
    )


@router.get("/contacts/{contact_id}", operation_id="contacts_get", response_model=Contact)
async def get_contact(contact_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One contact, archived or not."""
    return await call.read(lambda unit: ContactReader(unit).get(contact_id))


@router.patch("/contacts/{contact_id}", operation_id="contacts_update", response_model=Contact)
async def update_contact(
    contact_id: UUID, patch: ContactPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a contact: absent stays, null clears, lists are replaced whole, attributes go key by key."""
    return await call.write(lambda unit: ContactService(unit).update(contact_id, patch, call.if_match()))


@router.delete("/contacts/{contact_id}", operation_id="contacts_archive", status_code=204)
async def archive_contact(contact_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives a contact: lists leave it out, its keys stay its own, and it can be restored."""
    return await call.write(lambda unit: ContactService(unit).archive(contact_id, call.if_match()))


@router.post("/contacts/{contact_id}/restore", operation_id="contacts_restore", response_model=Contact)
async def restore_contact(contact_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Brings an archived contact back."""
    return await call.write(lambda unit: ContactService(unit).restore(contact_id))


@router.post(
    "/attribute-definitions",
    operation_id="attribute_definitions_create",
    response_model=AttributeDefinition,
    status_code=201,
)
async def create_definition(
    new: AttributeDefinitionCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Defines an attribute of contacts, which can be written and filtered by at once."""
    return await call.write(
        lambda unit: AttributeService(unit).create(new),
        status=201,
        location=lambda definition: f"/v1/attribute-definitions/{definition.id}",
    )


@router.get(
    "/attribute-definitions",
    operation_id="attribute_definitions_list",
    response_model=AttributeDefinitionPage,
)
async def list_definitions(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(DEFINITION_SORTING)] = None,
) -> Response:
    """The attributes of contacts that this workspace has defined."""
    page = PageRequest(DEFINITION_SORTING.parse(sort), limit, cursor)
    return await call.read(lambda unit: AttributeService(unit).list(page))


@router.get(
    "/attribute-definitions/{definition_id}",
    operation_id="attribute_definitions_get",
    response_model=AttributeDefinition,
)
async def get_definition(definition_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One attribute definition."""
    return await call.read(lambda unit: AttributeService(unit).get(definition_id))


@router.patch(
    "/attribute-definitions/{definition_id}",
    operation_id="attribute_definitions_update",
    response_model=AttributeDefinition,
)
async def update_definition(
    definition_id: UUID, patch: AttributeDefinitionPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Adds options or changes the description."""
    return await call.write(lambda unit: AttributeService(unit).update(definition_id, patch, call.if_match()))


@router.post(
    "/contacts/{contact_id}/consents", operation_id="consents_record", response_model=Consent, status_code=201
)
async def record_consent(
    contact_id: UUID, new: ConsentCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Adds what a contact has granted or denied to their consents, where it stays for good."""
    return await call.write(lambda unit: ConsentService(unit).record(contact_id, new), status=201)


@router.get("/contacts/{contact_id}/consents", operation_id="consents_list", response_model=ConsentPage)
async def list_consents(
    contact_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    purpose: Annotated[Purpose | None, Query(description="Only of this purpose.")] = None,
) -> Response:
    """Everything a contact has granted and denied, what was said last first."""
    page = PageRequest(CONSENT_SORTING.parse(None), limit, cursor, [contact_id, purpose])
    return await call.read(lambda unit: ConsentService(unit).page(contact_id, page, purpose))


@router.get(
    "/contacts/{contact_id}/consents/current", operation_id="consents_current", response_model=CurrentConsents
)
async def current_consents(contact_id: UUID, call: Reader) -> Response:
    """What a contact has last said of each purpose and channel.

    Denying wins: something may be done on a channel if that is granted for it or for all channels, and denied
    for neither.
    """
    return await call.read(lambda unit: ConsentService(unit).current(contact_id))


@router.post(
    "/suppressions",
    operation_id="suppressions_add",
    response_model=RecordedSuppression,
    status_code=201,
    responses={200: {"model": RecordedSuppression, "description": "The address was on the list already."}},
)
async def add_suppression(
    new: SuppressionCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Puts an address on the list of those that are not written to.

    It holds for every contact that has the address, now or later, and outlives their erasure. An address that
    is on the list already keeps its entry, with a 200.
    """
    return await call.write(
        lambda unit: SuppressionService(unit).add(new),
        status=lambda suppression: 201 if suppression.status == "created" else 200,
        location=lambda suppression: f"/v1/suppressions/{suppression.id}",
    )


@router.get("/suppressions", operation_id="suppressions_list", response_model=SuppressionPage)
async def list_suppressions(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SUPPRESSION_SORTING)] = None,
    kind: Annotated[SuppressionKind | None, Query(description="Only addresses of this kind.")] = None,
    email: Annotated[SuppressedEmail | None, Query(description="Only this email address.")] = None,
    phone: Annotated[SuppressedPhone | None, Query(description="Only this phone number.")] = None,
) -> Response:
    """The addresses that are not written to, latest first unless sorted otherwise."""
    listing = SuppressionListing(kind, email, phone)
    page = PageRequest(SUPPRESSION_SORTING.parse(sort), limit, cursor, list(listing))
    return await call.read(lambda unit: SuppressionService(unit).list(page, listing))


@router.get("/suppressions/{suppression_id}", operation_id="suppressions_get", response_model=Suppression)
async def get_suppression(suppression_id: UUID, call: Reader) -> Response:
    """One address that is not written to."""
    return await call.read(lambda unit: SuppressionService(unit).get(suppression_id))


@router.delete("/suppressions/{suppression_id}", operation_id="suppressions_lift", status_code=204)
async def lift_suppression(suppression_id: UUID, call: Writer) -> Response:
    """Takes an address off the list for good: whoever has it may be written to again."""
    return await call.write(lambda unit: SuppressionService(unit).lift(suppression_id))


CREATE = TypeAdapter(ContactCreate)
STAGES = get_args(LifecycleStage)
LONGEST_CURSOR = 2000


def _plain_list(scope: Scope, _: str) -> Mapping[str, Any] | None:
    """The page, if the list is asked for by stage alone."""
    query = plain_query(scope, ("limit", "cursor", "lifecycle_stage"))
    if query is None:
        return None
    limit, stage, cursor = (
        query.get("limit", str(DEFAULT_ROWS)),
        query.get("lifecycle_stage"),
        query.get("cursor"),
    )
    if not re.fullmatch("[1-9][0-9]{0,2}", limit) or int(limit) > MOST_ROWS:
        return None
    if (stage is not None and stage not in STAGES) or len(cursor or "") > LONGEST_CURSOR:
        return None
    return {"limit": int(limit), "cursor": cursor, "lifecycle_stage": stage}


LANES: tuple[Lane[Any], ...] = (
    Lane("GET", "/v1/contacts/{contact_id}", READ, plain_id, lambda call, each: get_contact(each, call)),
    Lane("GET", "/v1/contacts", READ, _plain_list, lambda call, page: list_contacts(call, **page)),
    Lane(
        "POST",
        "/v1/contacts",
        WRITE,
        lambda scope, _: plain_body(scope, CREATE),
        lambda call, new: create_contact(new, call),
    ),
)
"""The ways that most requests go; see `kit.lanes`."""
