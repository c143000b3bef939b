"""Gathers what a SMART assessment looks at, for many goals with a fixed number of queries."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import cast
from uuid import UUID

from app.goals.models import GoalRow
from app.goals.repository import GoalRepository
from app.goals.schemas import Direction, GoalForecast, GoalSmart
from app.goals.service.forecast import Forecast, forecast_for
from app.goals.service.progress import Point
from app.goals.service.smart import Facts, Promise, Step, assess
from app.goals.service.terms import GRAIN_DAYS, judged_grain, review_days, settle_baseline, terms_of
from app.metrics.service.catalogue import Definition
from app.metrics.service.reading import MetricService


def foresee(row: GoalRow, points: Sequence[Point]) -> Forecast:
    """Sets the forecast of a goal with a metric, and its baseline if it has none yet."""
    settle_baseline(row, points)
    forecast = forecast_for(terms_of(row), points)
    row.forecast = GoalForecast.model_validate(forecast).model_dump(mode="json")
    return forecast


class Assessor:
    """Makes the SMART assessments of goals that are made already, or would be."""

    def __init__(self, repository: GoalRepository, metrics: MetricService) -> None:
        self.repository = repository
        self.metrics = metrics

    async def assess(self, rows: Sequence[GoalRow], points: Mapping[UUID, Sequence[Point]]) -> None:
        """Sets `smart` of these goals. `points` holds those of each goal with a metric, by its id."""
        keys = {row.metric_key for row in rows if row.metric_key is not None}
        definitions = {key: await self.metrics.definition(key) for key in sorted(keys)}
        promises = {row.id: _promise(row) for row in await self.repository.active(keys)} if keys else {}
        parents = {row.parent_id for row in rows if row.parent_id is not None}
        lineages = await self.repository.lineages(parents) if parents else {}
        for row in rows:
            facts = _facts(row, points.get(row.id, []), definitions, lineages, promises)
            row.smart = GoalSmart.model_validate(assess(facts)).model_dump(mode="json")


def _facts(
    row: GoalRow,
    points: Sequence[Point],
    definitions: Mapping[str, Definition | None],
    lineages: Mapping[UUID, Sequence[bool]],
    promises: Mapping[UUID, Promise],
) -> Facts:
    forecast = GoalForecast.model_validate(row.forecast) if row.forecast else None
    return Facts(
        promise=_promise(row),
        description=row.description,
        has_owner=row.owner_id is not None,
        metric_known=row.metric_key is not None and definitions[row.metric_key] is not None,
        baseline=row.baseline,
        baseline_from_snapshot=row.baseline_source in ("snapshot", "start_of_total"),
        refresh_days=_refresh_days(row, points),
        review_days=review_days(row),
        steps=[
            Step(date.fromisoformat(step["due_on"]), Decimal(step["threshold"])) for step in row.milestones
        ],
        ancestors=lineages.get(row.parent_id, []) if row.parent_id else [],
        others=[promise for goal_id, promise in promises.items() if goal_id != row.id],
        impact=row.impact,
        feasibility=row.feasibility,
        probability=forecast.probability if forecast else None,
        history_points=forecast.points_used if forecast else 0,
    )


def _promise(row: GoalRow) -> Promise:
    return Promise(
        title=row.title,
        metric_key=row.metric_key,
        segment_id=None,
        direction=cast(Direction | None, row.direction),
        target=row.target,
        starts_on=row.starts_on,
        due_on=row.due_on,
    )


def _refresh_days(row: GoalRow, points: Sequence[Point]) -> int | None:
    """Days between two new values of what the goal is judged by; None when there never was one."""
    if not any(point.value is not None for point in points):
        return None
    return GRAIN_DAYS[judged_grain(row)]
