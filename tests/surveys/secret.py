"""An anonymous survey, and all that would tell who has answered it, and when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from app.surveys.service.links import hash_of
from tests.surveys.answering import a_survey, said, seen
from tests.surveys.traces import Row, every_row, next_transaction
from tests.surveys.world import AskingWorld, Json
from tests.working import work_off

ASKED = datetime(2031, 3, 10, 8, 12, tzinfo=UTC)
ANSWERED = datetime(2031, 3, 11, 13, 47, tzinfo=UTC)
MINUTE = "13:47"
"""Stands in no other instant of these tests."""


@dataclass(frozen=True, slots=True)
class Secret:
    """An anonymous survey and those who were asked."""

    asking: AskingWorld
    stranger: httpx.AsyncClient
    survey_id: str
    invited: list[Json]
    since: str

    async def rows(self) -> list[Row]:
        return await every_row(self.asking, self.since)

    async def answer(self, many: int, *, after: int = 0, score: int = 9) -> None:
        """So many answer, all within one minute that nothing else falls into."""
        self.asking.clock.set(ANSWERED)
        for item in self.invited[after:][:many]:
            await seen(self.stranger, item["token"])
            await said(self.stranger, item["token"], score=score, **{"why": "x"} if score < 7 else {})
        self.asking.clock.set(ANSWERED + timedelta(hours=1))

    async def work_off(self) -> None:
        await work_off(self.asking.resources, self.asking.tenant.workspace_id)

    async def listed(self, what: str) -> list[Json]:
        return await self.asking.listed(f"/v1/surveys/{self.survey_id}/{what}")

    async def answered(self) -> int:
        return sum(invitation["answered"] for invitation in await self.listed("invitations"))

    def secrets(self) -> list[str]:
        """Whatever would tell who it was, or when."""
        return [
            MINUTE,
            *(item["contact_id"] for item in self.invited),
            *(item["invitation_id"] for item in self.invited),
            *(item["token"] for item in self.invited),
            *(hash_of(item["token"]).hex() for item in self.invited),
        ]

    async def response_ids(self) -> list[str]:
        return [response["id"] for response in await self.listed("responses")]


def is_of(row: Row, table: str, survey_id: str) -> bool:
    return row.table == table and survey_id in row.text


async def a_secret(asking: AskingWorld, stranger: httpx.AsyncClient) -> Secret:
    """Seven were asked, and nobody has answered yet."""
    asking.clock.set(ASKED)
    since = await next_transaction(asking)
    survey_id = await a_survey(asking, anonymous=True)
    contacts = [await asking.contact(emails=[{"address": f"ada{number}@example.com"}]) for number in range(7)]
    invited = await asking.invite(survey_id, *contacts, channel="email", locale="de")
    return Secret(asking, stranger, survey_id, invited, since)
