"""How long the results of a survey take, whole requests, and whether they are right.

    python -m benchmarks.results [--responses 100000]

Seeds a survey of six questions into an embedded server of its own, half as many contacts as responses, and
asks for its results. Each answer is compared with a naive count over the rows. Exits with 1 when one differs,
or when a breakdown by two fields takes longer than 300 ms (the median of several).
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from app.kit import migrations
from app.kit.embedded import EmbeddedServer
from app.kit.hot import settle_heap
from app.kit.ids import new_id
from app.kit.logs import configure_logs
from app.kit.resources import DatabaseAddress, Resources, open_resources
from app.main import create_app
from app.settings import Settings
from app.workspaces.schemas import WorkspaceCreate
from app.workspaces.service import WorkspaceService

ROUNDS = 9
ENOUGH_SECONDS = 0.3

Query = Mapping[str, Any]
Row = asyncpg.Record

CASES: Mapping[str, tuple[Query, Callable[[Row], Sequence[tuple[Any, ...]]]]] = {
    "no breakdown": ({}, lambda _row: []),
    "contact attribute × lifecycle stage": (
        {"group_by": ["attributes.plan", "lifecycle_stage"]},
        lambda row: [(row["plan"], row["lifecycle_stage"])],
    ),
    "channel × answer, trend by week": (
        {"group_by": ["channel", "answers.reason"], "trend": "week"},
        lambda row: [(row["channel"], row["answers"].get("reason"))],
    ),
    "tag, trend by day": (
        {"group_by": ["tags"], "trend": "day"},
        lambda row: [(tag,) for tag in row["tags"]],
    ),
}


def _choices(*keys: str) -> list[dict[str, str]]:
    return [{"key": key, "text": key.title()} for key in keys]


SURVEY = {
    "title": "How are we doing?",
    "type": "nps",
    "questions": [
        {"key": "score", "type": "nps", "text": "How likely?"},
        {
            "key": "reason",
            "type": "single_choice",
            "text": "Why?",
            "choices": _choices("price", "support", "quality", "speed", "other"),
            "show_if": {"field": "score", "op": "lte", "value": 8},
        },
        {"key": "used", "type": "multi_choice", "text": "Used?", "choices": _choices("app", "web", "store")},
        {"key": "again", "type": "boolean", "text": "Again?"},
        {"key": "ease", "type": "rating", "min": 1, "max": 5, "text": "How easy?"},
        {"key": "why", "type": "text", "text": "Tell us more"},
    ],
}

SEED_CONTACTS = """
    INSERT INTO contacts (
        workspace_id, id, display_name, emails, phones, external_ids, lifecycle_stage, tags, attributes,
        acquired_at, touchpoint_count, purchase_count, net_revenue, created_at, updated_at, version
    )
    SELECT $1, gen_random_uuid(), 'Contact ' || n,
        jsonb_build_array(jsonb_build_object('address', 'person' || n || '@example.com', 'label', 'work')),
        '[]', '[]', (ARRAY['lead', 'prospect', 'customer', 'advocate', 'churned'])[n % 5 + 1],
        ARRAY['newsletter', 'tag' || n % 50],
        jsonb_build_object('plan', (ARRAY['free', 'pro', 'team'])[n % 7 % 3 + 1], 'seats', n % 100),
        now(), 0, 0, 0, now(), now(), 1
    FROM generate_series(1, $2::int) AS n
"""

# A tenth are partial, a fiftieth are tests, over two years.
SEED_RESPONSES = """
    WITH people AS MATERIALIZED (
        SELECT id, row_number() OVER () - 1 AS place, count(*) OVER () AS total
        FROM contacts WHERE workspace_id = $1
    ),
    said AS (
        SELECT n, at, dice, dice % 11 AS score, dice % (SELECT max(total) FROM people) AS place
        FROM generate_series(1, $3::int) AS n
        CROSS JOIN LATERAL (SELECT abs(hashtext('r' || n)::bigint) AS dice) AS thrown
        CROSS JOIN LATERAL (SELECT now() - n * (interval '2 years' / $3::int) AS at) AS moment
    )
    INSERT INTO survey_responses (
        workspace_id, id, survey_id, questions_version, iteration, contact_id, channel, locale, state,
        answers, score_type, score, is_test, settled, started_at, answered_at, answered_on, version
    )
    SELECT $1, gen_random_uuid(), $2, 1, 1, people.id,
        (ARRAY['email', 'sms', 'web', 'chat'])[1 + n % 4], (ARRAY['en', 'de'])[1 + n % 2],
        CASE WHEN n % 10 = 0 THEN 'partial' ELSE 'completed' END,
        jsonb_strip_nulls(jsonb_build_object(
            'score', score,
            'reason', CASE WHEN score <= 8 AND n % 3 > 0
                THEN (ARRAY['price', 'support', 'quality', 'speed', 'other'])[1 + dice % 5] END,
            'used', CASE WHEN n % 2 = 0 THEN '["app", "web"]'::jsonb ELSE '["store"]'::jsonb END,
            'again', dice % 2 = 0, 'ease', 1 + dice / 7 % 5,
            'why', CASE WHEN n % 2 = 0 THEN 'Because of something' || repeat(' else', (dice % 20)::int) END
        )),
        'nps', score, n % 50 = 7, true, at, at, (at AT TIME ZONE 'UTC')::date, 1
    FROM said JOIN people USING (place)
"""

ROWS = """
    SELECT r.channel, r.answers, r.score, c.lifecycle_stage, c.tags, c.attributes ->> 'plan' AS plan
    FROM survey_responses r LEFT JOIN contacts c ON c.workspace_id = r.workspace_id AND c.id = r.contact_id
    WHERE r.workspace_id = $1 AND r.survey_id = $2 AND r.state = 'completed' AND NOT r.is_test
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Results of a survey.")
    parser.add_argument("--responses", type=int, default=100_000)
    arguments = parser.parse_args()
    configure_logs("json", "warning")
    with (
        tempfile.TemporaryDirectory(prefix="rapport-") as directory,
        EmbeddedServer(Path(directory), settings={"fsync": "off", "max_wal_size": "4GB"}) as server,
    ):
        urls = server.urls()
        address = DatabaseAddress(urls.owner_url, urls.app_url, None)
        migrations.upgrade(address.owner_url, address.app_role)
        return asyncio.run(measure(Path(directory), address, arguments.responses))


async def measure(directory: Path, address: DatabaseAddress, count: int) -> int:
    settings = Settings(_env_file=None, data_dir=directory, rate_limit_per_second=0)
    resources = open_resources(settings, address, statement_seconds=3600)
    try:
        bench = await Bench.opened(resources)
        await bench.seed(count)
        rows = await bench.rows()
        settle_heap()  # as a process that serves does, or 100,000 rows would be collected around each time
        timed = [await bench.time(name, query, groups, rows) for name, (query, groups) in CASES.items()]
        await bench.client.aclose()
    finally:
        await resources.close()
    report(count, timed)
    return 0 if all(each.right and each.is_fast_enough for each in timed) else 1


@dataclass(frozen=True, slots=True)
class Timed:
    """One case: seconds, and whether the answer was right."""

    name: str
    fields: int
    groups: int
    size: int
    middle: float
    longest: float
    right: bool

    @property
    def is_fast_enough(self) -> bool:
        return self.fields < 2 or self.middle <= ENOUGH_SECONDS


class Bench:
    """One workspace with one survey, and a client of the API."""

    def __init__(self, resources: Resources, client: httpx.AsyncClient, workspace_id: UUID) -> None:
        self.resources = resources
        self.client = client
        self.workspace_id = workspace_id
        self.survey_id = ""

    @classmethod
    async def opened(cls, resources: Resources) -> "Bench":
        workspace_id = new_id()
        async with resources.database.unit(workspace_id) as unit:
            service = WorkspaceService(unit)
            await service.create(WorkspaceCreate(name="Bench", timezone="UTC"))
            key = (await service.create_admin_key("bench")).api_key
        app = create_app(resources)
        app.state.ready = True
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://rapport.bench",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        return cls(resources, client, workspace_id)

    async def seed(self, count: int) -> None:
        attribute = {"key": "plan", "type": "text"}
        (await self.client.post("/v1/attribute-definitions", json=attribute)).raise_for_status()
        answer = await self.client.post("/v1/surveys", json=SURVEY)
        self.survey_id = answer.raise_for_status().json()["id"]
        async with self.resources.database.unit(self.workspace_id) as unit:
            people = max(count // 2, 1)
            await unit.connection.execute(SEED_CONTACTS, self.workspace_id, people, timeout=3600)
            survey_id = UUID(self.survey_id)
            await unit.connection.execute(SEED_RESPONSES, self.workspace_id, survey_id, count, timeout=3600)
        owner = await asyncpg.connect(self.resources.address.owner_url.replace("+asyncpg", ""))
        await owner.execute("VACUUM ANALYZE contacts, survey_responses", timeout=3600)
        await owner.close()

    async def rows(self) -> list[Row]:
        async with self.resources.database.unit(self.workspace_id, read_only=True) as unit:
            return await unit.connection.fetch(ROWS, self.workspace_id, UUID(self.survey_id))

    async def time(
        self, name: str, query: Query, groups: Callable[[Row], Sequence[tuple[Any, ...]]], rows: list[Row]
    ) -> Timed:
        seconds = []
        for _ in range(ROUNDS + 1):
            begun = time.perf_counter()
            answer = await self.client.get(f"/v1/surveys/{self.survey_id}/results", params=query)
            seconds.append(time.perf_counter() - begun)
        found = answer.raise_for_status().json()
        counted = seconds[1:]
        right = is_right(found, rows, groups)
        size = len(answer.content)
        fields = len(query.get("group_by", ()))
        return Timed(name, fields, found["breakdown_groups"], size, median(counted), max(counted), right)


def is_right(
    found: dict[str, Any], rows: list[Row], groups: Callable[[Row], Sequence[tuple[Any, ...]]]
) -> bool:
    """Whether counts, score, groups and answers are those of the rows, counted one by one."""
    scores = Counter(row["score"] for row in rows)
    sizes = Counter(group for row in rows for group in groups(row))
    return (
        found["n"] == len(rows) > 0
        and found["score"] == score_of(scores)
        and found["distribution"] == {str(value): scores[value] for value in range(11)}
        and {tuple(each["group"].values()): each["n"] for each in found["breakdown"]} == sizes
        and sum(point["n"] for point in found["trend"]) in (0, len(rows))
        and all(has_right_answers(question, rows) for question in found["questions"])
    )


def has_right_answers(question: dict[str, Any], rows: list[Row]) -> bool:
    given = [row["answers"][question["key"]] for row in rows if question["key"] in row["answers"]]
    chosen = Counter(
        str(one).lower() for answer in given for one in (answer if isinstance(answer, list) else [answer])
    )
    shown = question["distribution"]
    spread_is_right = shown is None or {value: n for value, n in shown.items() if n} == chosen
    beside = question["skipped"] + question["not_reached"]
    return question["n"] == len(given) and beside == len(rows) - len(given) and spread_is_right


def score_of(scores: Counter[int]) -> float:
    points = sum(n * ((score >= 9) - (score <= 6)) for score, n in scores.items())
    return round(100 * points / scores.total(), 6)


def report(count: int, timed: list[Timed]) -> None:
    table = Table("responses", "results by", "groups", "answer", "median", "longest", "right")
    for each in timed:
        times = (f"{each.middle * 1000:,.0f} ms", f"{each.longest * 1000:,.0f} ms")
        size = f"{each.size / 1000:,.0f} kB"
        table.add_row(f"{count:,}", each.name, f"{each.groups:,}", size, *times, str(each.right))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
