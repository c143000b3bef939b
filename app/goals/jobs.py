"""What happens to goals by the mere passing of days."""

from datetime import timedelta

from app.goals.repository import GoalRepository
from app.goals.service.figures import Calendar
from app.goals.service.refreshing import GoalRefresh
from app.kit.database import Unit
from app.kit.jobs import Job
from app.kit.resources import Resources

DAILY_JOB = "goals.daily"
LOOK_AGAIN_AFTER = timedelta(hours=1)


async def follow_days(resources: Resources, job: Job) -> None:
    """Computes the workspace's active goals anew, their SMART assessments included, once each local day.

    Goals end, fall behind, go stale and miss their check-ins without anything happening.
    """
    async with resources.database.unit(job.workspace_id) as unit:
        await _pass(unit)


async def _pass(unit: Unit) -> None:
    calendar = await Calendar.of(unit)
    repository = GoalRepository(unit)
    board = await repository.lock_board(calendar.next_pass_at)
    if board.next_pass_at > unit.now:
        return
    goals = await repository.active()
    await GoalRefresh(unit, calendar).run(goals, assess=True)
    undecided = any(
        goal.metric_key and goal.status == "active" and goal.due_on < calendar.today for goal in goals
    )
    again = unit.now + LOOK_AGAIN_AFTER
    board.next_pass_at = min(again, calendar.next_pass_at) if undecided else calendar.next_pass_at
