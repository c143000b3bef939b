"""How a refusal is told and kept."""

from app.kit.batches import ItemError, ItemFieldError
from app.kit.errors import Problem


def item_error(problem: Problem) -> ItemError:
    """The problem of one event, as it stands in answers."""
    return ItemError(
        type=f"/problems/{problem.slug}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        errors=[ItemFieldError(**place.as_dict()) for place in problem.errors],
        existing_id=problem.extensions.get("existing_id"),
    )


def reason_of(problem: Problem) -> str:
    """The problem in one word: the code of its first wrong place, or its kind."""
    return problem.errors[0].code if problem.errors else problem.slug.replace("-", "_")
