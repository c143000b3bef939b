"""Nothing that an anonymous response leaves behind leads to whoever gave it."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.surveys.answering import a_link, a_survey, at, errors, record, responses, said, say, seen
from tests.surveys.secret import ANSWERED, ASKED, MINUTE, Secret, is_of
from tests.surveys.traces import log_so_far, telling
from tests.surveys.world import AskingWorld, Json

pytestmark = pytest.mark.slow


async def test_no_row_about_a_response_tells_who_or_when(secret: Secret) -> None:
    await secret.answer(5, score=3)
    await secret.work_off()

    rows = await secret.rows()

    responses_told = await secret.response_ids()
    assert len(responses_told) == 5
    assert telling(rows, responses_told, secret.secrets()) == set()
    assert {row.table for row in rows if any(each in row.text for each in responses_told)} == {
        "survey_responses",
        "events",
    }


async def test_no_row_about_somebody_asked_tells_when_they_answered(secret: Secret) -> None:
    await secret.answer(5, score=3)
    await secret.work_off()

    rows = await secret.rows()

    people = [item[name] for item in secret.invited for name in ("contact_id", "invitation_id")]
    assert telling(rows, people, [MINUTE]) == set()


@pytest.mark.parametrize("trace", range(5))
async def test_such_a_trace_would_be_found(secret: Secret, trace: int) -> None:
    """The walk itself: one of each kind, planted."""
    await secret.answer(1)
    planted = secret.secrets()[:: len(secret.invited)][trace]
    await secret.asking.fetch(
        "UPDATE survey_responses SET locale = $2 WHERE workspace_id = $1", f"<{planted}>"
    )

    rows = await secret.rows()

    assert ("survey_responses", planted) in telling(rows, await secret.response_ids(), secret.secrets())


async def test_once_settled_not_even_row_ids_tell_who_gave_which(secret: Secret) -> None:
    """`xmin` numbers the transaction that wrote a row."""
    before = await unsettled_order(secret, 5)
    await secret.work_off()

    rows = await secret.rows()

    given = [row for row in rows if is_of(row, "survey_responses", secret.survey_id)]
    asked = [row for row in rows if is_of(row, "survey_invitations", secret.survey_id)]
    settled = [row for row in asked if row.xmin == given[0].xmin]
    assert len({row.xmin for row in given}) == 1
    assert (len(given), len(settled), len(asked)) == (5, 5, 7)
    assert {row.xmin for row in rows if row.table == "events"}.isdisjoint({given[0].xmin, *before})


async def unsettled_order(secret: Secret, many: int) -> list[str]:
    """The transactions of the answers, which link the rows until they are settled."""
    await secret.answer(many)
    rows = await secret.rows()
    given = [row for row in rows if is_of(row, "survey_responses", secret.survey_id)]
    assert len({row.xmin for row in given}) == many
    return [row.xmin for row in given]


async def test_events_of_responses_say_the_day_and_nothing_more(secret: Secret) -> None:
    await secret.answer(5, score=3)
    await secret.work_off()

    told = await secret.asking.fetch(
        "SELECT * FROM events WHERE workspace_id = $1 AND type = ANY($2) ORDER BY sequence",
        ["survey.response_received", "survey.detractor_received"],
    )

    assert len(told) == 10
    for event in told:
        assert event["occurred_at"] == datetime(2031, 3, 11, tzinfo=UTC)
        assert (event["id"].version, event["xid"], event["subject_id"]) == (4, 0, None)
        response = event["data"]["response"]
        assert (response["answered_on"], response["answered_at"]) == ("2031-03-11", None)
        assert UUID(response["id"]).version == 4
        assert event["data"]["contact_id"] is None
    shown = (await secret.asking.client.get("/v1/events", params={"limit": 500})).json()["items"]
    about = [event for event in shown if event["type"].startswith(("survey.response", "survey.detractor"))]
    assert len(about) == 10
    assert all(found not in str(event) for event in about for found in secret.secrets())


async def test_no_event_stands_among_others_where_it_was_answered(secret: Secret) -> None:
    """Between its neighbours in the feed, and beside the instants of its deliveries, it would have a time."""
    await secret.answer(2)
    await secret.work_off()
    assert await secret.asking.published("survey.response_received") == []

    await secret.answer(1, after=2, score=1)
    secret.asking.clock.set(ANSWERED + timedelta(days=1))
    await secret.asking.run("surveys.settle")
    await secret.work_off()

    told = await secret.asking.published("survey.response_received")
    assert sorted(data["response"]["id"] for data in told) == sorted(await secret.response_ids())
    assert len(await secret.asking.published("survey.detractor_received")) == 1
    secret.asking.clock.set(ANSWERED + timedelta(days=2))
    await secret.asking.run("surveys.settle")
    assert len(await secret.asking.published("survey.response_received")) == 3, "each is told of once"


async def test_the_day_is_the_workspaces(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    """Where it is tomorrow already."""
    await asking.client.patch("/v1/workspace", json={"timezone": "Pacific/Auckland"})
    survey_id = await a_survey(asking, anonymous=True)
    link = await a_link(asking, survey_id)
    asking.clock.set(ANSWERED)

    await said(stranger, link["token"], score=9)
    (response,) = await responses(asking, survey_id)
    asking.clock.advance(days=1)
    await asking.run("surveys.settle")

    (event,) = await asking.fetch(
        "SELECT occurred_at FROM events WHERE workspace_id = $1 AND type = $2", "survey.response_received"
    )
    assert response["answered_on"] == "2031-03-12"
    assert event["occurred_at"] == datetime(2031, 3, 11, 11, tzinfo=UTC)


async def test_a_late_answer_does_not_tell_when_its_visitor_was_asked(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    """Of an iteration in which everybody else has answered, it would be the last one's."""
    survey_id = await a_survey(asking, anonymous=True, recurrence_days=7)
    (item,) = await asking.invite(survey_id, await asking.contact())
    asking.clock.advance(days=8)

    await said(stranger, item["token"], score=9)

    (response,) = await responses(asking, survey_id)
    assert response["iteration"] == 2


async def test_nothing_in_reach_of_the_api_moves_when_somebody_answers(secret: Secret) -> None:
    async def everything() -> list[Any]:
        asked = [await secret.listed("invitations"), (await secret.asking.client.get("/v1/contacts")).json()]
        tags = []
        for item in secret.invited:
            path = f"/v1/surveys/{secret.survey_id}/invitations/{item['invitation_id']}"
            tags.append((await secret.asking.client.get(path)).headers["ETag"])
            timeline = await secret.asking.client.get(f"/v1/contacts/{item['contact_id']}/timeline")
            tags.append(timeline.json())
        survey = (await secret.asking.client.get(f"/v1/surveys/{secret.survey_id}")).json()
        return [*asked, *tags, survey]

    before = await everything()

    await secret.answer(4)
    await secret.work_off()

    assert await everything() == before
    assert len(await secret.listed("responses")) == 4


async def test_responses_in_lists_have_nobody_and_no_instant(secret: Secret) -> None:
    await secret.answer(1)

    (response,) = await secret.listed("responses")

    empty = (
        "contact_id",
        "invitation_id",
        "link_id",
        "channel",
        "locale",
        "source",
        "started_at",
        "answered_at",
    )
    assert [response[name] for name in empty] == [None] * len(empty)
    assert response["answered_on"] == "2031-03-11"
    assert (
        await secret.asking.listed(
            f"/v1/surveys/{secret.survey_id}/responses", contact_id=secret.invited[0]["contact_id"]
        )
        == []
    )
    assert await secret.asking.listed("/v1/followups") == []


async def test_a_spent_token_takes_no_second_answer(secret: Secret) -> None:
    await secret.answer(1)

    assert (await say(secret.stranger, secret.invited[0]["token"], score=9)).status_code == 409
    assert len(await secret.listed("responses")) == 1


async def test_whoever_has_all_the_tokens_cannot_ask_them_who_has_answered(secret: Secret) -> None:
    """As have the mailer, and whoever reads events. Only a whole answer tells, and that would be one."""
    spent, unspent = secret.invited[0]["token"], secret.invited[1]["token"]
    await secret.answer(1)

    async def told(token: str) -> list[Any]:
        probes = [
            await say(secret.stranger, token, complete=False),
            await say(secret.stranger, token),
            await say(secret.stranger, token, score=3),
            await say(secret.stranger, token, score=11),
            await secret.stranger.post(at(token), json={}),
        ]
        return [await seen(secret.stranger, token), *(errors(probe) for probe in probes)]

    assert await told(spent) == await told(unspent)
    secret.asking.clock.advance(days=31)
    late = [await say(secret.stranger, token, score=9) for token in (spent, unspent)]
    assert [answer.status_code for answer in late] == [404, 404]


async def test_nothing_is_kept_before_the_end(secret: Secret) -> None:
    refused = await say(secret.stranger, secret.invited[0]["token"], complete=False, score=9)

    assert errors(refused) == [("/complete", "anonymous_partial")]
    assert await secret.listed("responses") == []


async def test_a_partner_may_name_nobody(secret: Secret) -> None:
    named = {"contact_id": secret.invited[0]["contact_id"], "source": "shop", "external_id": "1"}

    refused = await record(secret.asking, secret.survey_id, answers={"score": 9}, **named)
    taken = await record(
        secret.asking, secret.survey_id, answers={"score": 9}, answered_at=ASKED.isoformat(), channel="sms"
    )

    assert errors(refused) == [(f"/{name}", "anonymous") for name in named]
    assert (taken.status_code, taken.json()["answered_at"]) == (201, None)
    assert taken.json()["answered_on"] == "2031-03-10"


async def test_a_key_keeps_neither_what_was_said_nor_when_nor_which_response_it_was(secret: Secret) -> None:
    secret.asking.clock.set(ANSWERED)
    path, headers = f"/v1/surveys/{secret.survey_id}/responses", {"Idempotency-Key": "k"}
    said_so: Json = {"answers": {"score": 9}}

    first = await secret.asking.client.post(path, json=said_so, headers=headers)
    again = await secret.asking.client.post(path, json=said_so, headers=headers)
    other = await secret.asking.client.post(path, json={"answers": {"score": 10}}, headers=headers)

    (row,) = await secret.asking.fetch(
        "SELECT * FROM idempotency_keys WHERE workspace_id = $1 AND operation = $2", f"POST {path}"
    )
    assert (again.content, again.headers["Location"]) == (first.content, first.headers["Location"])
    assert other.status_code == 422
    assert row["created_at"] == datetime(2031, 3, 12, tzinfo=UTC)
    assert (row["fingerprint"], row["headers"]) == (b"", {})
    # Where the format has the time of sealing, for everybody to read.
    assert urlsafe_b64decode(row["body"])[1:9] == bytes(8)


async def test_no_line_of_the_log_and_no_metric_has_a_token(
    secret: Secret, pytestconfig: pytest.Config
) -> None:
    token = secret.invited[0]["token"]
    log_so_far(pytestconfig)

    await seen(secret.stranger, token)
    await say(secret.stranger, token, score=99)
    await secret.stranger.get(f"{at(token)}?x=1")
    await secret.stranger.get(f"{at(token)}/more")
    await secret.stranger.delete(at(token))
    await secret.stranger.post(at(token), content=b"{", headers={"Content-Type": "application/json"})
    await said(secret.stranger, token, score=9)
    await say(secret.stranger, token, score=9)

    lines = log_so_far(pytestconfig)
    assert lines.count("/v1/public/surveys/{token}") >= 6
    assert token not in lines
    assert token not in (await secret.stranger.get("/metrics")).text
