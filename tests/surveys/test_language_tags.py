"""A language is the same in whatever letters its tag is written: it is kept in the usual ones."""

from typing import Any

import httpx
import pytest

from app.kit.schemas import usual_letters
from tests.surveys.answering import SURVEY, a_survey, a_token, at, record, responses
from tests.surveys.world import AskingWorld


@pytest.mark.parametrize(
    ("said", "usual"),
    [
        ("DE", "de"),
        ("de-at", "de-AT"),
        ("ZH-HANT-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("SL-Rozaj-1994-1ABC", "sl-rozaj-1994-1abc"),
    ],
)
def test_the_letters_are_those_of_bcp_47(said: str, usual: str) -> None:
    assert usual_letters(said) == usual


async def test_the_texts_of_a_survey_are_kept_by_the_usual_tags(asking: AskingWorld) -> None:
    texts, kept = {"EN": "A", "de-at": "B"}, {"en": "A", "de-AT": "B"}
    choices = [{"key": key, "text": texts} for key in "ab"]
    reasons = {"key": "why", "type": "single_choice", "text": texts, "help": texts, "choices": choices}
    survey = await asking.made(
        "/v1/surveys",
        {
            "type": "nps",
            "title": texts,
            "introduction": texts,
            "thanks": texts,
            "default_locale": "DE-at",
            "questions": [SURVEY["questions"][0], reasons],
        },
    )

    assert [survey[name] for name in ("title", "introduction", "thanks")] == [kept] * 3
    assert survey["default_locale"] == "de-AT"
    asked = survey["questions"][1]
    assert [asked["text"], asked["help"], *(each["text"] for each in asked["choices"])] == [kept] * 4
    changed = await asking.client.patch(
        f"/v1/surveys/{survey['id']}", json={"title": {"En": "C", "DE-AT": None}, "thanks": {"DE": "D"}}
    )
    assert (changed.json()["title"], changed.json()["thanks"]) == ({"en": "C"}, kept | {"de": "D"})


@pytest.mark.parametrize("name", ["title", "introduction", "thanks", "questions"])
async def test_a_language_is_given_once(asking: AskingWorld, name: str) -> None:
    twice = {"en": "A", "de-AT": "B", "de-at": "C"}
    question = SURVEY["questions"][0] | {"text": twice}
    body = SURVEY | {"type": "nps", name: [question] if name == "questions" else twice}
    refused = await asking.client.post("/v1/surveys", json=body)
    also_refused = await asking.client.patch(f"/v1/surveys/{await asking.draft()}", json={name: body[name]})

    place = "/questions/0/text" if name == "questions" else f"/{name}"
    for answer in (refused, also_refused):
        assert answer.status_code == 422
        errors = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
        assert errors == [(f"{place}/de-at", "duplicate_locale")]


async def test_answers_in_one_language_are_one_group(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    for tag in ("de", "DE", "De", "en"):
        answered = await record(asking, survey_id, answers={"score": 9}, locale=tag)
        assert answered.json()["locale"] == tag.lower()

    path = f"/v1/surveys/{survey_id}/results"
    found = (await asking.client.get(path, params={"group_by": "response_locale"})).json()
    assert {each["group"]["response_locale"]: each["n"] for each in found["breakdown"]} == {"de": 3, "en": 1}
    for tag in ("de", "DE"):
        assert len(await responses(asking, survey_id, locale=tag)) == 3
        assert (await asking.client.get(path, params={"locale": tag})).json()["n"] == 3


async def test_what_a_partner_sends_again_in_other_letters_is_unchanged(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    said: dict[str, Any] = {"answers": {"score": 9}, "source": "shop", "external_id": "A-1"}
    for tag, status in (("de-at", 201), ("de-AT", 200)):
        assert (await record(asking, survey_id, **said, locale=tag)).status_code == status


async def test_visitors_and_contacts_speak_the_same_languages(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, ada = await a_survey(asking), await asking.contact(locale="de-at")
    assert (await asking.client.get(f"/v1/contacts/{ada}")).json()["locale"] == "de-AT"
    await a_token(asking, survey_id, ada)
    token = await a_token(asking, survey_id, locale="EN-gb")
    invitations = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert {each["locale"] for each in invitations} == {"de-AT", "en-GB"}

    answered = await stranger.post(
        at(token), json={"answers": {"score": 9}, "complete": True, "locale": "FR-fr"}
    )

    assert answered.status_code == 200
    assert [each["locale"] for each in await responses(asking, survey_id)] == ["fr-FR"]


async def test_contacts_are_found_by_a_tag_in_any_letters(asking: AskingWorld) -> None:
    ada, _ = await asking.contact(locale="de-AT"), await asking.contact(locale="de")
    for tag in ("de-AT", "de-at"):
        wanted = {"filter": {"field": "locale", "op": "in", "value": [tag, "fr"]}}
        found = await asking.client.post("/v1/contacts/search", json=wanted)
        assert [each["id"] for each in found.json()["items"]] == [ada]
