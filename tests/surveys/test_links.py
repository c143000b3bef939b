"""Open links, and the tokens that let visitors in."""

import re
from datetime import timedelta

from app.surveys.service.links import Links, hash_of
from tests.surveys.world import AskingWorld


async def test_a_link_is_shown_once(asking: AskingWorld) -> None:
    path = f"/v1/surveys/{await asking.survey()}/links"
    made = await asking.made(path, {"name": "Poster", "channel": "store", "test": True})
    token, url = made.pop("token"), made.pop("url")

    assert url == f"http://127.0.0.1:8000/v1/public/surveys/{token}"
    assert (made["channel"], made["test"], made["revoked_at"]) == ("store", True, None)
    assert await asking.listed(path) == [made]
    assert (await asking.client.get(f"{path}/{made['id']}")).json() == made


async def test_a_link_is_found_by_the_hash_of_its_token(asking: AskingWorld) -> None:
    made = await asking.made(f"/v1/surveys/{await asking.survey()}/links", {"name": "Poster"})
    async with asking.resources.database.raw() as connection:
        [found] = await connection.fetch("SELECT * FROM find_survey_token($1)", hash_of(made["token"]))

    assert str(found["link_id"]) == made["id"]
    assert found["workspace_id"] == asking.tenant.workspace_id


async def test_a_link_is_revoked_once(asking: AskingWorld) -> None:
    path = f"/v1/surveys/{await asking.survey()}/links"
    link = f"{path}/{(await asking.made(path, {'name': 'Poster'}))['id']}"
    assert (await asking.client.delete(link)).status_code == 204
    revoked = (await asking.client.get(link)).json()
    assert (await asking.client.delete(link)).status_code == 204

    assert revoked["revoked_at"] is not None
    assert (await asking.client.get(link)).json() == revoked


async def test_a_link_that_is_over_already_is_refused(asking: AskingWorld) -> None:
    body = {"name": "Poster", "expires_at": (asking.clock.now() - timedelta(seconds=1)).isoformat()}
    refused = await asking.client.post(f"/v1/surveys/{await asking.survey()}/links", json=body)

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/expires_at"]


async def test_another_surveys_link_is_not_found(asking: AskingWorld) -> None:
    made = await asking.made(f"/v1/surveys/{await asking.survey()}/links", {"name": "Poster"})
    other = f"/v1/surveys/{await asking.survey()}/links/{made['id']}"

    assert (await asking.client.get(other)).status_code == 404


def test_tokens_have_128_bits_and_fit_into_urls(asking: AskingWorld) -> None:
    links = Links("https://crm.example/", asking.resources.cipher)
    tokens = {links.fresh().text for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)


def test_a_sealed_token_can_be_had_again(asking: AskingWorld) -> None:
    links = Links("https://crm.example", asking.resources.cipher)
    token = links.fresh()

    assert links.reopened(token.sealed) == token.text
    assert hash_of(token.text) == token.hash


def test_any_text_has_a_hash() -> None:
    assert len(hash_of("\udcff not a token")) == 32
