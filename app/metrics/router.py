"""HTTP face of the metrics room."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.kit.calls import Access, Call
from app.kit.long_jobs import LongJob
from app.kit.pages import DEFAULT_ROWS, PageRequest
from app.kit.parameters import Cursor, IdempotencyKey, Limit, sort_by
from app.kit.periods import Grain
from app.kit.schemas import Day
from app.metrics.repository.reading import SNAPSHOT_SORTING
from app.metrics.schemas import Metric, MetricPage, SnapshotPage
from app.metrics.service.marking import MarkService
from app.metrics.service.reading import MetricService

router = APIRouter(prefix="/v1/metrics", tags=["metrics"])

Reader = Annotated[Call, Depends(Access("metrics:read"))]
Writer = Annotated[Call, Depends(Access("metrics:write"))]


@router.get("", operation_id="metrics_list", response_model=MetricPage)
async def list_metrics(call: Reader, limit: Limit = DEFAULT_ROWS, cursor: Cursor = None) -> Response:
    """The catalogue, by key."""
    return await call.read(lambda unit: MetricService(unit).metrics(limit, cursor))


@router.post("/refresh", operation_id="metrics_refresh", response_model=LongJob, status_code=202)
async def refresh_metrics(call: Writer, idempotency_key: IdempotencyKey = None) -> Response:
    """Rebuilds all snapshots from the touchpoints and contacts, in the background.

    Snapshots follow every change by themselves within seconds; this is for whoever wants proof.
    """
    return await call.write(
        lambda unit: MarkService(unit).refresh(), status=202, location=lambda job: f"/v1/jobs/{job.id}"
    )


@router.get("/{key}", operation_id="metrics_get", response_model=Metric)
async def get_metric(key: str, call: Reader) -> Response:
    """One metric of the catalogue."""
    return await call.read(lambda unit: MetricService(unit).metric(key))


@router.get("/{key}/snapshots", operation_id="metrics_snapshots_list", response_model=SnapshotPage)
async def list_snapshots(
    key: str,
    call: Reader,
    grain: Annotated[Grain, Query(description="The length of the periods.")] = "day",
    start: Annotated[
        Day | None,
        Query(alias="from", description="First day on which a period may start; 30 periods back if absent."),
    ] = None,
    end: Annotated[
        Day | None,
        Query(alias="to", description="The day after the last one on which a period may start."),
    ] = None,
    limit: Limit = DEFAULT_ROWS,
    cursor: Cursor = None,
    sort: Annotated[str | None, sort_by(SNAPSHOT_SORTING)] = None,
) -> Response:
    """The metric's value period by period, oldest first unless sorted otherwise.

    Periods reach from the workspace's first touchpoint or contact to the one that runs now.
    """
    page = PageRequest(SNAPSHOT_SORTING.parse(sort), limit, cursor, [key, grain, start, end])
    return await call.read(lambda unit: MetricService(unit).snapshots(key, grain, start, end, page))
