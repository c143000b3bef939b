"""Closing the loop: which response somebody has to act upon."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from unicodedata import normalize
from uuid import UUID

from app.followups.schemas import FollowupOrigin
from app.followups.service import FollowupOpening, FollowupService
from app.kit.database import Unit
from app.surveys.models.records import ResponseRecord, SurveyFacts
from app.surveys.service.languages import in_language
from app.surveys.service.questionnaire import Questionnaire

LONGEST_TITLE = 200
LONGEST_NOTE = 10_000

Answered = tuple[ResponseRecord, SurveyFacts, Questionnaire]


async def close_the_loop(unit: Unit, answered: Iterable[Answered]) -> None:
    """Opens a follow-up for each completed response that a rule of its survey fits: one, by the first rule.

    Tests open none, and neither do responses of nobody in particular.
    """
    openings = []
    for record, survey, questionnaire in answered:
        if record.is_test or record.contact_id is None:
            continue
        texts = _texts(record, questionnaire)
        rule = next((rule for rule in survey.followup_rules if _fits(rule, record.score, texts)), None)
        if rule is not None:
            openings.append(_opening(unit, rule, record, survey, texts))
    if openings:
        await FollowupService(unit).open_many(openings)


async def take_back(unit: Unit, record: ResponseRecord) -> None:
    """The response has turned out to be a test: nobody has to act upon it."""
    await FollowupService(unit).withdraw(_origin(record, record.survey_id))


async def take_up(unit: Unit, answered: Answered) -> None:
    """The response is no test any longer: its follow-up is open again, or opened for the first time."""
    record, survey, _ = answered
    await FollowupService(unit).reinstate(_origin(record, survey.id))
    await close_the_loop(unit, [answered])


def _texts(record: ResponseRecord, questionnaire: Questionnaire) -> dict[str, str]:
    """The text answers by their questions."""
    words = {question.key for question in questionnaire.questions if question.type == "text"}
    return {key: answer for key, answer in record.answers.items() if key in words}


def _fits(rule: Mapping[str, Any], score: int | None, texts: Mapping[str, str]) -> bool:
    if rule["score_at_most"] is not None:
        return score is not None and bool(score <= rule["score_at_most"])
    wanted = rule["question"]
    read = [_folded(text) for key, text in texts.items() if wanted in (None, key)]
    return any(_folded(phrase) in text for phrase in rule["text_contains"] for text in read)


def _folded(text: str) -> str:
    """Without differences of case, of width, and of how an accent is encoded. A Turkish i, with its dot or
    without, is one with the other i: nothing tells which language a text is in."""
    plain = normalize("NFKD", normalize("NFKD", text).casefold())
    return plain.replace("\u0131", "i").replace("i\u0307", "i")


def _opening(
    unit: Unit, rule: Mapping[str, Any], record: ResponseRecord, survey: SurveyFacts, texts: Mapping[str, str]
) -> FollowupOpening:
    assert record.contact_id is not None
    return FollowupOpening(
        contact_id=record.contact_id,
        title=rule["title"] or _title(record, survey),
        note=_note(list(texts.values())),
        owner_id=None if rule["owner_id"] is None else UUID(rule["owner_id"]),
        due_at=unit.now + timedelta(hours=rule["due_hours"]),
        origin=_origin(record, survey.id),
    )


def _origin(record: ResponseRecord, survey_id: UUID) -> FollowupOrigin:
    return FollowupOrigin(kind="survey_response", id=record.id, survey_id=survey_id)


def _title(record: ResponseRecord, survey: SurveyFacts) -> str:
    name = in_language(survey.title, (), survey.default_locale)
    said = "A word to act upon" if record.score is None else f"Score {record.score}"
    return f"{said} in: {name}"[:LONGEST_TITLE].rstrip()


def _note(texts: Sequence[str]) -> str | None:
    """What the respondent wrote, so that whoever calls has read it."""
    return "\n\n".join(texts)[:LONGEST_NOTE] or None
