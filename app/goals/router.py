"""HTTP face of the goals room."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.goals.repository import CHECK_IN_SORTING, GOAL_SORTING, PROGRESS_SORTING, REVISION_SORTING
from app.goals.schemas import (
    CheckIn,
    CheckInCreate,
    CheckInPage,
    Goal,
    GoalAssessment,
    GoalCreate,
    GoalPage,
    GoalPatch,
    GoalProgressPage,
    GoalRevisionPage,
    GoalTree,
    Health,
    Status,
)
from app.goals.service.following import GoalFollowing
from app.goals.service.goals import GoalService
from app.kit.calls import Access, Call
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit, sort_by

router = APIRouter(prefix="/v1/goals", tags=["goals"])

Reader = Annotated[Call, Depends(Access("goals:read"))]
Writer = Annotated[Call, Depends(Access("goals:write"))]


@router.post("", operation_id="goals_create", response_model=Goal, status_code=201)
async def create_goal(new: GoalCreate, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Makes a goal on a metric, or an objective when no metric is named."""
    return await call.write(
        lambda unit: GoalService(unit).create(new),
        status=201,
        location=lambda goal: f"/v1/goals/{goal.id}",
    )


@router.get("", operation_id="goals_list", response_model=GoalPage)
async def list_goals(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(GOAL_SORTING)] = None,
    status: Annotated[Status | None, Query(description="Only goals of this status.")] = None,
    health: Annotated[Health | None, Query(description="Only goals that do like this.")] = None,
    metric_key: Annotated[str | None, Query(max_length=100, description="Only goals on this metric.")] = None,
    owner_id: Annotated[UUID | None, Query(description="Only goals of this member.")] = None,
    parent_id: Annotated[UUID | None, Query(description="Only goals right below this one.")] = None,
    include_archived: Annotated[bool, Query(description="Archived goals as well.")] = False,
) -> Response:
    """The goals, newest first unless sorted otherwise."""
    asked = {
        "status": status, "health": health, "metric_key": metric_key, "owner_id": owner_id,
        "parent_id": parent_id,
    }  # fmt: skip
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    page = PageRequest(GOAL_SORTING.parse(sort), limit, cursor, {**filters, "archived": include_archived})
    return await call.read(
        lambda unit: GoalService(unit).goals(page, filters, include_archived=include_archived)
    )


@router.post("/assess", operation_id="goals_assess", response_model=GoalAssessment)
async def assess_goal(wish: GoalCreate, call: Reader) -> Response:
    """How SMART a goal would be, and where it would be heading. Makes nothing."""
    return await call.read(lambda unit: GoalService(unit).assess(wish))


@router.get("/tree", operation_id="goals_tree", response_model=GoalTree)
async def get_goal_tree(
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(GOAL_SORTING)] = None,
) -> Response:
    """The goals at the top, page by page, each with everything below it."""
    page = PageRequest(GOAL_SORTING.parse(sort), limit, cursor)
    return await call.read(lambda unit: GoalFollowing(unit).tree(page))


@router.get("/{goal_id}", operation_id="goals_get", response_model=Goal)
async def get_goal(goal_id: UUID, call: Reader, if_none_match: IfNoneMatch = None) -> Response:
    """One goal, archived or not."""
    return await call.read(lambda unit: GoalService(unit).get(goal_id))


@router.patch("/{goal_id}", operation_id="goals_update", response_model=Goal)
async def update_goal(goal_id: UUID, patch: GoalPatch, call: Writer, if_match: IfMatch = None) -> Response:
    """Changes a goal and keeps a revision. The terms of an achieved or missed goal stay as they were."""
    return await call.write(lambda unit: GoalService(unit).update(goal_id, patch, call.if_match()))


@router.delete("/{goal_id}", operation_id="goals_archive", status_code=204)
async def archive_goal(goal_id: UUID, call: Writer, if_match: IfMatch = None) -> Response:
    """Archives a goal: it is followed no longer and counts no longer in its parent."""
    return await call.write(lambda unit: GoalService(unit).archive(goal_id, call.if_match()))


@router.post("/{goal_id}/restore", operation_id="goals_restore", response_model=Goal)
async def restore_goal(goal_id: UUID, call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Brings an archived goal back."""
    return await call.write(lambda unit: GoalService(unit).restore(goal_id))


@router.post(
    "/{goal_id}/check-ins", operation_id="goals_check_ins_create", response_model=CheckIn, status_code=201
)
async def create_check_in(
    goal_id: UUID, new: CheckInCreate, call: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Notes a review of the goal; the next one is expected one review period later."""
    return await call.write(lambda unit: GoalFollowing(unit).check_in(goal_id, new), status=201)


@router.get("/{goal_id}/check-ins", operation_id="goals_check_ins_list", response_model=CheckInPage)
async def list_check_ins(
    goal_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(CHECK_IN_SORTING)] = None,
) -> Response:
    """The reviews of the goal, newest first unless sorted otherwise."""
    page = PageRequest(CHECK_IN_SORTING.parse(sort), limit, cursor, goal_id)
    return await call.read(lambda unit: GoalFollowing(unit).check_ins(goal_id, page))


@router.get("/{goal_id}/progress", operation_id="goals_progress_list", response_model=GoalProgressPage)
async def list_goal_progress(
    goal_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(PROGRESS_SORTING)] = None,
) -> Response:
    """Where the goal stood at the end of each day on which it moved, the latest first by default."""
    page = PageRequest(PROGRESS_SORTING.parse(sort), limit, cursor, goal_id)
    return await call.read(lambda unit: GoalFollowing(unit).progress(goal_id, page))


@router.get("/{goal_id}/revisions", operation_id="goals_revisions_list", response_model=GoalRevisionPage)
async def list_goal_revisions(
    goal_id: UUID,
    call: Reader,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(REVISION_SORTING)] = None,
) -> Response:
    """Who changed what of the goal, and why, newest first unless sorted otherwise."""
    page = PageRequest(REVISION_SORTING.parse(sort), limit, cursor, goal_id)
    return await call.read(lambda unit: GoalFollowing(unit).revisions(goal_id, page))
