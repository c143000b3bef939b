"""HTTP face of the workspaces room."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by
from app.kit.web import JsonRoute
from app.workspaces.repository import API_KEY_SORTING, MEMBER_SORTING
from app.workspaces.schemas import (
    ApiKey,
    ApiKeyCreate,
    ApiKeyPage,
    CreatedApiKey,
    Member,
    MemberCreate,
    MemberPage,
    MemberPatch,
    Workspace,
    WorkspacePatch,
)
from app.workspaces.service import WorkspaceService

router = APIRouter(prefix="/v1", tags=["workspace"], route_class=JsonRoute)

Reader = Annotated[Call, Depends(Access("workspace:read"))]
Writer = Annotated[Call, Depends(Access("workspace:write"))]
Admin = Annotated[Call, Depends(Access("admin"))]


@router.get("/workspace", operation_id="workspace_get", response_model=Workspace)
async def get_workspace(call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """The workspace of your API key and its settings."""
    return await call.read(lambda unit: WorkspaceService(unit).get())


@router.patch("/workspace", operation_id="workspace_update", response_model=Workspace)
async def update_workspace(patch: WorkspacePatch, call: Writer, if_match: IfMatch = None) -> Response:
    """Changes settings. A new time zone or churn limit rebuilds the metrics in the background."""
    return await call.write(lambda unit: WorkspaceService(unit).update(patch, call.if_match()))


@router.post("/members", operation_id="members_create", response_model=Member, status_code=201)
async def create_member(new: MemberCreate, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Adds a person who works in the workspace."""
    return await call.write(
        lambda unit: WorkspaceService(unit).create_member(new),
        status=201,
        location=lambda member: f"/v1/members/{member.id}",
    )


@router.get("/members", operation_id="members_list", response_model=MemberPage)
async def list_members(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(MEMBER_SORTING)] = None,
    include_archived: Annotated[bool, Query(description="Archived members as well.")] = False,
) -> Response:
    """The members, newest first unless sorted otherwise."""
    page = PageRequest(MEMBER_SORTING.parse(sort), limit, cursor, {"archived": include_archived})
    return await call.read(
        lambda unit: WorkspaceService(unit).members(page, include_archived=include_archived)
    )


@router.get("/members/{member_id}", operation_id="members_get", response_model=Member)
async def get_member(member_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One member, archived or not."""
    return await call.read(lambda unit: WorkspaceService(unit).member(member_id))


@router.patch("/members/{member_id}", operation_id="members_update", response_model=Member)
async def update_member(
    member_id: UUID, patch: MemberPatch, call: Writer, if_match: IfMatch = None
) -> Response:
    """Changes a member."""
    return await call.write(
        lambda unit: WorkspaceService(unit).update_member(member_id, patch, call.if_match())
    )


@router.delete("/members/{member_id}", operation_id="members_archive", status_code=204)
async def archive_member(member_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives a member. What they own stays theirs."""
    return await call.write(lambda unit: WorkspaceService(unit).archive_member(member_id, call.if_match()))


@router.post("/members/{member_id}/restore", operation_id="members_restore", response_model=Member)
async def restore_member(member_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Brings an archived member back."""
    return await call.write(lambda unit: WorkspaceService(unit).restore_member(member_id))


@router.post("/api-keys", operation_id="api_keys_create", response_model=CreatedApiKey, status_code=201)
async def create_api_key(new: ApiKeyCreate, call: Admin, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a key. The answer shows it this once."""
    return await call.write(
        lambda unit: WorkspaceService(unit).create_api_key(new),
        status=201,
        location=lambda key: f"/v1/api-keys/{key.id}",
        sealed=True,
    )


@router.get("/api-keys", operation_id="api_keys_list", response_model=ApiKeyPage)
async def list_api_keys(call: Admin, limit: Limit = DEFAULT_ROWS, cursor: Cursor = None) -> Response:
    """The keys of the workspace, revoked ones included, newest first."""
    page = PageRequest(API_KEY_SORTING.parse(None), limit, cursor)
    return await call.read(lambda unit: WorkspaceService(unit).api_keys(page))


@router.get("/api-keys/{key_id}", operation_id="api_keys_get", response_model=ApiKey)
async def get_api_key(key_id: UUID, call: Admin) -> Response:
    """One key, without the key itself."""
    return await call.read(lambda unit: WorkspaceService(unit).api_key(key_id))


@router.delete("/api-keys/{key_id}", operation_id="api_keys_revoke", status_code=204)
async def revoke_api_key(key_id: UUID, call: Admin) -> Response:
    """Revokes a key: here at once, in other API processes within two seconds."""
    answer = await call.write(lambda unit: WorkspaceService(unit).revoke_api_key(key_id))
    call.forget_keys()
    return answer
