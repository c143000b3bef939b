"""HTTP face of the public door, which takes a token in the place of a key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import TypeAdapter
from starlette.types import Scope

from app.kit.calls import JSON, Services, idempotent_request, retried
from app.kit.errors import MEDIA_TYPE
from app.kit.idempotency import Answer
from app.kit.lanes import Lane, plain_body
from app.kit.parameters import IdempotencyKey
from app.kit.schemas import LanguageTag
from app.kit.web import JsonRoute, strict_query
from app.surveys.errors import UnknownSurveyLink
from app.surveys.schemas.public import PublicAnswer, PublicAnswered, PublicSurvey
from app.surveys.service.languages import accept_language
from app.surveys.service.links import PUBLIC_PATH, hash_of
from app.surveys.service.public import PublicDoor, PublicService

router = APIRouter(
    prefix=PUBLIC_PATH,
    tags=["public surveys"],
    route_class=JsonRoute,
    dependencies=[Depends(strict_query)],
)

RESPONDENT = "respondent"
# A shared computer must not show what somebody else was asked, or has said.
UNKEPT = {"Cache-Control": "no-store"}
SPENT: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "A completed response has spent the link.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}

Token = Annotated[str, Path(description="The token of an invitation or of an open link.")]


@router.get("/{token}", operation_id="public_surveys_get", response_model=PublicSurvey)
async def get_public_survey(
    token: Token,
    request: Request,
    locale: Annotated[
        LanguageTag | None, Query(description="The language to read in, before those of `Accept-Language`.")
    ] = None,
    accept_languages: Annotated[
        str | None, Header(alias="Accept-Language", description="Languages to read in, best first.")
    ] = None,
) -> Response:
    """The questions of a survey in the visitor's language, and what this visitor has saved so far.

    Needs no API key. The language is `locale`, else one of `Accept-Language`, else the invitation's, else
    the survey's default. A wrong, expired or revoked link and one to a survey that is not open are all the
    same 404.
    """
    languages = [*([locale] if locale else ()), *accept_language(accept_languages or "")]
    async with _visit(request, token) as visit:
        # Who asks for headers alone, as scanners of mail do, has not opened anything.
        survey = await visit.show(languages, opens=not request.state.is_head)
    headers = {"Content-Language": survey.locale} | UNKEPT
    return Response(survey.model_dump_json(), 200, headers, media_type=JSON)


@router.post("/{token}", operation_id="public_surveys_answer", response_model=PublicAnswered, responses=SPENT)
async def answer_public_survey(
    token: Token, said: PublicAnswer, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Answers a survey: saves some answers for later, or completes the response, which spends the link.

    Needs no API key. The answers are put on top of those saved before, so sending them twice does no harm;
    of several completed submissions one is taken, and the others are a 409. By an open link everybody
    completes a response of their own, and the first save answers with a token to go on with; an
    `Idempotency-Key` makes one response of what is sent again. Of the invitation to an anonymous survey no
    key is kept: there the retry is told that it is the second.
    """
    path = f"{PUBLIC_PATH}/{hash_of(token).hex()}"
    keyed = await idempotent_request(request, request.app.state.services.resources, path=path)

    async def attempt() -> Answer:
        async with _visit(request, token) as visit:
            answer = await keyed.stored_answer(visit.unit) if keyed else None
            if answer is None:
                answered = await visit.answer(said)
                answer = Answer(200, UNKEPT, answered.model_dump_json().encode())
                if keyed and not visit.is_traceless:
                    await keyed.store(visit.unit, answer, sealed=True)
            return answer

    answer = await retried(attempt)
    return Response(answer.body, answer.status, answer.headers, media_type=JSON)


ANSWER = TypeAdapter(PublicAnswer)


def _plain_answer(scope: Scope, token: str) -> tuple[str, PublicAnswer] | None:
    said = plain_body(scope, ANSWER) if token else None
    return None if said is None else (token, said)


LANES: tuple[Lane[Any], ...] = (
    Lane(
        "POST",
        f"{router.prefix}/{{token}}",
        None,
        _plain_answer,
        lambda request, plain: answer_public_survey(plain[0], plain[1], request),
    ),
)
"""The way that most answers go; see `kit.lanes`."""


@asynccontextmanager
async def _visit(request: Request, token: str) -> AsyncIterator[PublicService]:
    """What the token's holder may do, in a unit that ends with the block."""
    services = cast(Services, request.app.state.services)
    database = services.resources.database
    door = PublicDoor(database, services.limiter, services.strangers)
    address = request.client.host if request.client else ""
    holder, budget = await door.admit(token, address)
    request.state.workspace_id = str(holder.workspace_id)
    request.state.answer_headers = budget
    try:
        async with database.unit(holder.workspace_id, actor=RESPONDENT) as unit:
            yield PublicService(unit, holder)
    except UnknownSurveyLink:
        # A budget is for a token that leads somewhere.
        request.state.answer_headers = {}
        door.lead_nowhere(address)
