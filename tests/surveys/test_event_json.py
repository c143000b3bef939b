"""The fast way to an event's JSON gives the same bytes as the models."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.kit.ids import new_id
from app.surveys.events import received_json
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.schemas.responses import SurveyResponse, SurveyResponseReceived
from app.surveys.schemas.surveys import SurveyReference

NOBODYS = ResponseRecord(
    id=new_id(),
    survey_id=new_id(),
    questions_version=1,
    iteration=1,
    contact_id=None,
    invitation_id=None,
    link_id=None,
    channel=None,
    locale=None,
    source=None,
    external_id=None,
    state="completed",
    answers={},
    score_type=None,
    score=None,
    is_test=False,
    settled=False,
    started_at=None,
    answered_at=None,
    answered_on=date(2026, 3, 1),
    version=1,
)
FULL = NOBODYS._replace(
    contact_id=new_id(),
    invitation_id=new_id(),
    link_id=new_id(),
    channel="email",
    locale="de-CH",
    source="shop",
    external_id="answer-1",
    answers={
        "score": 9,
        "why": 'Zwölf "Lampen"\n\u2028',
        "weight": 0.00001,
        "length": -(10.0**15),
        "again": True,
        "which": ["a", "b"],
        "when": "2026-03-01",
    },
    score_type="nps",
    score=9,
    is_test=True,
    settled=True,
    started_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
    answered_at=datetime(2026, 3, 1, 9, 0, 0, 1200, tzinfo=UTC),
    version=3,
)


@pytest.mark.parametrize("record", [NOBODYS, FULL])
@pytest.mark.parametrize("spent_invitation_id", [None, new_id()])
@pytest.mark.parametrize("title", ["Wie war es?", {"en": "How was it?", "de": "Wie war es?"}])
def test_the_bytes_are_those_of_the_models(
    record: ResponseRecord, title: Any, spent_invitation_id: UUID | None
) -> None:
    survey = facts(record, title)

    clear = SurveyResponseReceived(
        response=SurveyResponse.of(record),
        survey=SurveyReference.model_validate(survey),
        contact_id=record.contact_id,
        spent_invitation_id=spent_invitation_id,
    )

    assert received_json(record, survey, spent_invitation_id) == clear.model_dump_json().encode()


def facts(record: ResponseRecord, title: Any) -> SurveyFacts:
    return SurveyFacts(
        id=record.survey_id,
        title=title,
        type="nps",
        state="open",
        anonymous=False,
        default_locale="en",
        questions_version=1,
        is_frozen=True,
        recontact_rule="once",
        invitation_days=30,
        grace_hours=24,
        recurrence_days=None,
        recurrence_iterations=None,
        followup_rules=[],
        opened_at=None,
        closes_at=None,
        closed_at=None,
        archived_at=None,
    )
