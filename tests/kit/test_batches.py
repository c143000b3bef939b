"""What became of the items of a batch."""

from app.kit.batches import BatchResult, Outcome, summarise, written_summary
from app.kit.errors import Invalid
from app.kit.hot import Rendered
from app.kit.ids import new_id


def test_the_fast_summary_has_the_bytes_of_the_clear_one() -> None:
    outcomes = [
        Outcome("created", new_id()),
        Outcome("updated", new_id()),
        Outcome("unchanged", new_id()),
        Outcome("created", None),
    ]

    fast, clear = written_summary(BatchResult, outcomes), summarise(BatchResult, outcomes)

    assert isinstance(fast, Rendered)
    assert fast.body == clear.__pydantic_serializer__.to_json(clear)


def test_a_batch_with_a_refused_item_is_summarised_the_clear_way() -> None:
    outcomes = [Outcome("created", new_id()), Outcome.refused(Invalid.at("/kind", "is missing", "missing"))]

    summary = written_summary(BatchResult, outcomes)

    assert isinstance(summary, BatchResult)
    assert (summary.created, summary.errors) == (1, 1)
