"""Batches: each item is judged by itself, unless the caller asks for all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from app.kit.errors import MOST_ERRORS, FieldError, Invalid, Problem
from app.kit.hot import Rendered, to_json
from app.kit.schemas import Output

Item = TypeVar("Item", bound=BaseModel)
Result = TypeVar("Result", bound="BatchResult")


class JudgedAlone:
    """Annotates the items of a batch: any value goes in, the contract shows `model`.

    So that a bad item is that item's error and not a refusal of the whole body.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = handler.generate_schema(self.model)
        return core_schema.no_info_wrap_validator_function(lambda value, _: value, shown)


ItemStatus = Literal["created", "updated", "unchanged", "error"]


class ItemFieldError(Output):
    """One wrong place of an item."""

    pointer: str = Field(description="JSON pointer into the item.")
    detail: str = Field(description="What is wrong there.")
    code: str = Field(description="The same in one word, for programs.")


class ItemError(Output):
    """Why an item was refused."""

    type: str = Field(description="What kind of problem; a path that explains it.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status it would have had alone.")
    detail: str = Field(description="What happened.")
    errors: list[ItemFieldError] = Field(description="The wrong places of the item.")
    existing_id: UUID | None = Field(description="What it is in conflict with, if with something.")


class ItemResult(Output):
    """What became of one item."""

    index: int = Field(description="The item's place in the request, from 0.")
    status: ItemStatus = Field(description="What became of it.")
    id: UUID | None = Field(description="The id of what was made, changed or found; null for an error.")
    error: ItemError | None = Field(description="Why it was refused; null otherwise.")


class BatchResult(Output):
    """What became of each item, in their order."""

    results: list[ItemResult] = Field(description="One for each item.")
    created: int = Field(description="How many were made.")
    updated: int = Field(description="How many were changed.")
    unchanged: int = Field(description="How many were as asked already.")
    errors: int = Field(description="How many were refused.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: a status with an id, or the problem."""

    status: ItemStatus
    id: UUID | None = None
    problem: Problem | None = None

    @classmethod
    def refused(cls, problem: Problem) -> "Outcome":
        return cls("error", problem=problem)


class BatchRefused(Invalid):
    """An item of an all-or-nothing batch was bad; nothing was changed."""

    slug = "batch-refused"
    title = "An item of the batch was refused"


class DryRunOver(Exception):
    """Raised inside a savepoint to undo what a dry run did."""


def read_items(adapter: TypeAdapter[Item], raw: Sequence[Any]) -> list[Item | Problem]:
    """Validates each item alone; a bad one becomes its problem."""
    return [_read(adapter, item) for item in raw]


def _read(adapter: TypeAdapter[Item], raw: Any) -> Item | Problem:
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        return Invalid("The item is not valid.", errors=field_errors(error))


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """A validation error's places as JSON pointers, 20 at most, without the input."""
    details = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]
    return [FieldError(prefix + pointer(d["loc"]), d["msg"], d["type"]) for d in details]


def pointer(location: Sequence[int | str]) -> str:
    """`("emails", 0, "address")` is `/emails/0/address` (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def summarise(result: type[Result], outcomes: Sequence[Outcome]) -> Result:
    """The answer to a batch."""
    statuses = [outcome.status for outcome in outcomes]
    return result(
        results=[_item_result(index, outcome) for index, outcome in enumerate(outcomes)],
        created=statuses.count("created"),
        updated=statuses.count("updated"),
        unchanged=statuses.count("unchanged"),
        errors=statuses.count("error"),
    )


def written_summary(result: type[Result], outcomes: Sequence[Outcome]) -> Result | Rendered:
    """`summarise`, written without models where nothing was refused: a tenth of the time for a thousand."""
    if any(outcome.problem is not None for outcome in outcomes):
        return summarise(result, outcomes)
    statuses = [outcome.status for outcome in outcomes]
    results = [
        {"index": index, "status": outcome.status, "id": outcome.id, "error": None}
        for index, outcome in enumerate(outcomes)
    ]
    counts = {status: statuses.count(status) for status in ("created", "updated", "unchanged")}
    return Rendered(to_json({"results": results, **counts, "errors": 0}))


def refuse_if_atomic(outcomes: Sequence[Outcome]) -> None:
    """Raises `BatchRefused` naming the bad items, pointers and all."""
    errors = [
        FieldError(f"/items/{index}{place.pointer}", place.detail, place.code)
        for index, outcome in enumerate(outcomes)
        if outcome.problem is not None
        for place in (
            outcome.problem.errors or [FieldError("", outcome.problem.detail, outcome.problem.slug)]
        )
    ]
    if errors:
        count = sum(outcome.problem is not None for outcome in outcomes)
        raise BatchRefused(
            f"{count} of {len(outcomes)} items were refused; nothing was changed.", errors=errors
        )


def _item_result(index: int, outcome: Outcome) -> ItemResult:
    problem = outcome.problem
    error = None
    if problem is not None:
        error = ItemError(
            type=f"/problems/{problem.slug}",
            title=problem.title,
            status=problem.status,
            detail=problem.detail,
            errors=[ItemFieldError(**place.as_dict()) for place in problem.errors],
            existing_id=problem.extensions.get("existing_id"),
        )
    return ItemResult.model_construct(index=index, status=outcome.status, id=outcome.id, error=error)
