"""`rapport demo`: a workspace full of a plausible year, made through the services that the API uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.commands.console import read_settings, run, say, say_json
from app.commands.demo_feedback import Feedback
from app.commands.demo_opinions import Opinions
from app.commands.demo_world import CURRENCY, ZONE, Person, Year
from app.commands.progress import progress
from app.commands.settling import settle
from app.commands.tenants import NewTenant, create_workspace
from app.contacts.service.upserting import ContactUpserter
from app.goals.schemas import GoalCreate
from app.goals.service.goals import GoalService
from app.kit.database import Unit
from app.kit.resources import Resources
from app.metrics.service.reading import MetricService
from app.touchpoints.service.touchpoints import TouchpointService
from app.workspaces.schemas import MemberCreate, WorkspaceCreate
from app.workspaces.service import WorkspaceService

NAME = "Demo: a coffee shop"
MEMBERS = ("Mara Lindqvist", "Jonas Weber", "Aylin Kaya")
CONTACTS_AT_ONCE = 500
TOUCHPOINTS_AT_ONCE = 1_000
GOAL_DAYS = 60


@dataclass(frozen=True, slots=True)
class Demo:
    """What there is to look at."""

    tenant: NewTenant
    contacts: int
    touchpoints: int
    responses: int
    best_contact: UUID
    goal: UUID
    survey: UUID


def demo(contacts: int, *, as_json: bool) -> None:
    """Fills a new workspace and prints what to look at."""
    settings = read_settings()
    made = run(lambda resources: _fill(resources, contacts), settings=settings)
    url = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    if as_json:
        say_json({"workspace_id": made.tenant.workspace_id, "api_key": made.tenant.api_key})
    else:
        say(_invitation(made, url))


async def _fill(resources: Resources, contacts: int) -> Demo:
    tenant = await create_workspace(
        resources, WorkspaceCreate(name=NAME, currency=CURRENCY, timezone=str(ZONE))
    )
    now = resources.database.clock.now()
    year = Year(now, contacts)
    people = list(year.people())
    filling = _Filling(resources, tenant.workspace_id)
    members = await filling.members()
    ids = await filling.contacts(people, members)
    count = await filling.touchpoints(people, ids)
    await filling.settle("Looking at them")
    opinions = Opinions(now, people)
    feedback = Feedback(resources, tenant.workspace_id, opinions, ids)
    survey = await feedback.open_surveys(year.begins)
    with progress("Feedback", len(opinions.told)) as advance:
        responses = await feedback.tell(advance)
    await feedback.respect_wishes(people)
    await filling.settle("Folding the metrics")
    goal = await filling.goals(year, members)
    await filling.settle("Assessing the goals")
    best = max(range(len(people)), key=lambda place: len(people[place].touchpoints))
    return Demo(tenant, len(people), count, responses, ids[best], goal, survey)


class _Filling:
    """Puts the year into the workspace, step by step."""

    def __init__(self, resources: Resources, workspace_id: UUID) -> None:
        self._resources = resources
        self._workspace_id = workspace_id

    def _unit(self) -> Any:
        return self._resources.database.unit(self._workspace_id, actor="demo")

    async def members(self) -> list[UUID]:
        async with self._unit() as unit:
            service = WorkspaceService(unit)
            return [(await service.create_member(_member(name))).id for name in MEMBERS]

    async def contacts(self, people: Sequence[Person], members: Sequence[UUID]) -> list[UUID]:
        """The ids of the people's contacts, in their order."""
        ids: list[UUID] = []
        with progress("Contacts", len(people)) as advance:
            for start in range(0, len(people), CONTACTS_AT_ONCE):
                batch = [each.contact for each in people[start : start + CONTACTS_AT_ONCE]]
                for place, contact in enumerate(batch, start=start):
                    if contact["lifecycle_stage"] in ("customer", "advocate"):
                        contact["owner_id"] = str(members[place % len(members)])
                async with self._unit() as unit:
                    result = await ContactUpserter(unit).batch(batch, atomic=True, dry_run=False)
                ids += [_known(item.id) for item in result.results]
                advance(len(batch))
        return ids

    async def touchpoints(self, people: Sequence[Person], contacts: Sequence[UUID]) -> int:
        """Records what happened in the order in which it did; returns how much that was."""
        happened = [
            touchpoint | {"contact_id": str(contact)}
            for person, contact in zip(people, contacts, strict=True)
            for touchpoint in person.touchpoints
        ]
        happened.sort(key=lambda touchpoint: touchpoint["occurred_at"])
        with progress("Touchpoints", len(happened)) as advance:
            for start in range(0, len(happened), TOUCHPOINTS_AT_ONCE):
                batch = happened[start : start + TOUCHPOINTS_AT_ONCE]
                async with self._unit() as unit:
                    await TouchpointService(unit).batch(batch, atomic=True, dry_run=False)
                advance(len(batch))
        return len(happened)

    async def settle(self, title: str) -> None:
        with progress(title):
            await settle(self._resources, self._workspace_id)

    async def goals(self, year: Year, members: Sequence[UUID]) -> UUID:
        """A vision and three goals that serve it; returns the one on revenue."""
        async with self._unit() as unit:
            plan = _Plan(unit, year.today, members)
            vision = await plan.vision()
            revenue = await plan.revenue(vision)
            await plan.churn(vision)
            await plan.recommendation(vision)
        return revenue


class _Plan:
    """Goals half of whose time is over, with targets a little above what the past promises."""

    def __init__(self, unit: Unit, today: date, members: Sequence[UUID]) -> None:
        self._goals = GoalService(unit)
        self._metrics = MetricService(unit)
        self._today = today
        self._starts = today - timedelta(days=GOAL_DAYS)
        self._due = today + timedelta(days=GOAL_DAYS)
        self._members = members

    async def vision(self) -> UUID:
        return await self._create(
            title="A shop people come back to",
            description="Regulars carry the shop; what we do has to bring them back.",
            owner_id=self._members[0],
        )

    async def revenue(self, vision: UUID) -> UUID:
        points = await self._metrics.points("net_revenue", "day", self._starts, self._today)
        so_far = sum((point.value or Decimal(0) for point in points), Decimal(0))
        target = (so_far * Decimal("2.2")).quantize(Decimal(1000))
        return await self._create(
            title="A strong winter",
            metric_key="net_revenue",
            direction="increase",
            target=target,
            owner_id=self._members[1],
            stakeholder_ids=[self._members[0]],
            parent_id=vision,
            impact=5,
            feasibility=3,
            milestones=self._milestones(Decimal(0), target),
        )

    async def churn(self, vision: UUID) -> UUID:
        before = self._starts - timedelta(days=GOAL_DAYS)
        points = await self._metrics.points("churn_rate", "month", before, self._today)
        known = [point.value for point in points if point.complete and point.value is not None]
        baseline = known[0].quantize(Decimal("0.001")) if known else Decimal("0.25")
        target = (baseline * Decimal("0.85")).quantize(Decimal("0.001"))
        return await self._create(
            title="Fewer customers who drift away",
            metric_key="churn_rate",
            direction="decrease",
            baseline=baseline,
            target=target,
            grain="month",
            owner_id=self._members[2],
            parent_id=vision,
            impact=4,
            feasibility=3,
            milestones=self._milestones(baseline, target),
        )

    async def recommendation(self, vision: UUID) -> UUID:
        before = self._starts - timedelta(days=3 * GOAL_DAYS)
        points = await self._metrics.points("net_promoter_score", "month", before, self._today)
        known = [point.value for point in points if point.complete and point.value is not None]
        usual = sum(known, Decimal(0)) / len(known) if known else Decimal(30)
        # The months of a few contacts go up and down: the target is above the last ones, too.
        baseline = min(max(usual, Decimal(0)), Decimal(80)).quantize(Decimal(1))
        target = min(max(baseline, *known[-2:]) + 5, Decimal(95)).quantize(Decimal(1))
        return await self._create(
            title=f"NPS to {target}",
            metric_key="net_promoter_score",
            direction="increase",
            measure="period_value",
            baseline=baseline,
            target=target,
            grain="month",
            owner_id=self._members[0],
            parent_id=vision,
            impact=4,
            feasibility=4,
            milestones=self._milestones(baseline, target),
        )

    def _milestones(self, start: Decimal, target: Decimal) -> list[dict[str, Any]]:
        """At a quarter, at half and at three quarters of the way."""
        titles = ("A good start", "Half way", "In sight")
        return [
            {
                "title": title,
                "due_on": str(self._starts + timedelta(days=GOAL_DAYS * quarter // 2)),
                "threshold": float(start + (target - start) * quarter / 4),
            }
            for quarter, title in enumerate(titles, start=1)
        ]

    async def _create(self, **wish: Any) -> UUID:
        wish |= {"starts_on": str(self._starts), "due_on": str(self._due)}
        goal = await self._goals.create(GoalCreate.model_validate(wish))
        return goal.id


def _member(name: str) -> MemberCreate:
    return MemberCreate(name=name, email=f"{name.lower().replace(' ', '.')}@example.com")


def _known(found: UUID | None) -> UUID:
    assert found is not None, "an atomic batch gives every item an id"
    return found


def _invitation(made: Demo, url: str) -> str:
    key = f"-H 'Authorization: Bearer {made.tenant.api_key}'"
    return f"""\
Made the workspace "{NAME}" with {made.contacts:,} contacts, {made.touchpoints:,} touchpoints
and {made.responses:,} answers to two surveys.

  workspace  {made.tenant.workspace_id}
  API key    {made.tenant.api_key}   (shown this once)

Worth trying, while `rapport serve` runs:

  curl {key} '{url}/v1/metrics/net_revenue/snapshots?grain=month'
  curl {key} {url}/v1/goals/{made.goal}
  curl {key} {url}/v1/contacts/{made.best_contact}/timeline
  curl {key} '{url}/v1/surveys/{made.survey}/results?group_by=lifecycle_stage'"""
