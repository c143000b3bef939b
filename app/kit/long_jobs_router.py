"""HTTP face of long work."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from app.kit.calls import Access, Call
from app.kit.long_jobs import LongJob, LongJobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}", operation_id="jobs_get", response_model=LongJob)
async def get_job(job_id: UUID, call: Annotated[Call, Depends(Access("workspace:read"))]) -> Response:
    """How far a piece of long work is."""
    return await call.read(lambda unit: LongJobs(unit).get(job_id))
