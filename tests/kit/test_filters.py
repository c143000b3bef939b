"""The filter grammar: its SQL finds what the reference finds, and its contract reads well."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.kit.embedded import EmbeddedServer
from app.kit.errors import Invalid
from app.kit.filter_sql import Attribute, FilterField, FilterFields, json_attributes
from app.kit.filter_values import TYPE_OPERATORS
from app.kit.filters import OPERATORS, Filter, parse_filter
from app.kit.ids import new_id
from tests.kit.filter_reference import matches
from tests.kit.filter_world import (
    FIELDS,
    NOW,
    PLAIN_FIELDS,
    SCANNED,
    TYPES,
    Search,
    document_of_a_search,
    filters,
    metadata,
    nearly_filters,
    nested,
    people,
    predicate,
    predicates,
    rows,
    store,
)

PERSON: dict[str, Any] = {
    "name": "Ada",
    "email": "ada@example.com",
    "handle": None,
    "score": None,
    "visits": None,
    "active": None,
    "seen_at": None,
    "born_on": None,
    "owner_id": None,
    "stage": "lead",
    "tags": None,
    "attributes": None,
    "phones": [],
}


@pytest.fixture(scope="module")
async def engine(server: EmbeddedServer) -> AsyncIterator[AsyncEngine]:
    """A database of its own, so that the table of the tests is not among the app's."""
    database = f"filters_{new_id()}"
    server.create_database(database)
    engine = create_async_engine(server.urls(database).owner_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


@asynccontextmanager
async def populated(engine: AsyncEngine, people_rows: list[dict[str, Any]]) -> AsyncIterator[AsyncConnection]:
    """A connection that sees these rows, which are gone afterwards."""
    async with engine.connect() as connection:
        await store(connection, people_rows)
        yield connection
        await connection.rollback()


async def ids(connection: AsyncConnection, tree: Any, fields: FilterFields = FIELDS) -> set[int]:
    condition = fields.to_sql(parse_filter(tree), now=NOW)
    return set((await connection.execute(sa.select(people.c.id).where(condition))).scalars())


async def found(engine: AsyncEngine, tree: Any, *changes: dict[str, Any]) -> list[int]:
    """Which of these variations of one person the filter finds."""
    async with populated(engine, [PERSON | change for change in changes]) as connection:
        return sorted(await ids(connection, tree))


def statement(tree: Any) -> str:
    """The SQL as the driver gets it, without its parameters."""
    condition = FIELDS.to_sql(parse_filter(tree), now=NOW)
    return str(condition.compile(create_async_engine("postgresql+asyncpg://").sync_engine))


on_a_server = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class TestMeaning:
    @pytest.mark.slow
    @on_a_server
    @given(people_rows=rows, trees=st.lists(filters, min_size=1, max_size=5))
    async def test_sql_finds_what_the_reference_finds(
        self, engine: AsyncEngine, people_rows: list[dict[str, Any]], trees: list[Any]
    ) -> None:
        async with populated(engine, people_rows) as connection:
            for tree in trees:
                expected = {id for id, row in enumerate(people_rows) if matches(tree, row, TYPES, NOW)}
                assert await ids(connection, tree) == expected
                assert await ids(connection, tree, SCANNED) == expected

    @pytest.mark.slow
    @on_a_server
    @given(people_rows=rows, one=predicates, two=filters)
    async def test_negation_obeys_the_laws_of_two_valued_logic(
        self, engine: AsyncEngine, people_rows: list[dict[str, Any]], one: Any, two: Any
    ) -> None:
        async with populated(engine, people_rows) as connection:
            holds = await ids(connection, one)
            assert await ids(connection, {"not": one}) == set(range(len(people_rows))) - holds
            assert await ids(connection, {"not": {"not": one}}) == holds
            neither = await ids(connection, {"not": {"or": [one, two]}})
            assert neither == await ids(connection, {"and": [{"not": one}, {"not": two}]})

    async def test_a_missing_value_matches_only_ne_not_in_and_exists_false(self, engine: AsyncEngine) -> None:
        operands = {"in": [1], "not_in": [1], "between": [0, 1], "exists": False}
        async with populated(engine, [PERSON]) as connection:
            matching = {
                op
                for op in TYPE_OPERATORS["number"]
                if await ids(connection, predicate("score", op, operands.get(op, 1)))
            }
        assert matching == {"ne", "not_in", "exists"}

    async def test_like_metacharacters_stand_for_themselves(self, engine: AsyncEngine) -> None:
        names: list[dict[str, Any]] = [{"name": "100%"}, {"name": "100x"}, {"name": "a\\b"}, {"name": "a_b"}]
        assert await found(engine, predicate("name", "contains", "0%"), *names) == [0]
        assert await found(engine, predicate("name", "contains", "_"), *names) == [3]
        assert await found(engine, predicate("name", "starts_with", "A\\"), *names) == [2]

    async def test_only_folding_fields_ignore_case_in_eq(self, engine: AsyncEngine) -> None:
        assert await found(engine, predicate("email", "eq", "ADA@Example.com"), PERSON) == [0]
        assert await found(engine, predicate("name", "eq", "ADA"), PERSON) == []

    async def test_json_numbers_compare_as_numbers(self, engine: AsyncEngine) -> None:
        sizes = [{"attributes": {"size": size}} for size in (9, 10, 10.0, "10", 0.1, None)]
        assert await found(engine, predicate("attributes.size", "gt", 9), *sizes) == [1, 2]
        assert await found(engine, predicate("attributes.size", "eq", 10), *sizes) == [1, 2]
        assert await found(engine, predicate("attributes.size", "in", [0.1]), *sizes) == [4]

    async def test_json_of_another_type_than_defined_is_missing(self, engine: AsyncEngine) -> None:
        values = [{"attributes": {"renews_on": value}} for value in ("2026-02-28", "2026-02-29", "soon", 5)]
        assert await found(engine, predicate("attributes.renews_on", "exists", True), *values) == [0]
        assert await found(engine, predicate("attributes.renews_on", "lte", "2026-12-31"), *values) == [0]

    async def test_every_day_of_the_calendar_is_a_json_day(self, engine: AsyncEngine) -> None:
        candidate = sa.text(
            "select y || to_char(m, '\"-\"FM00') || to_char(d, '\"-\"FM00') as day"
            " from generate_series(1890, 2210) y, generate_series(0, 13) m, generate_series(0, 32) d"
        ).columns(day=sa.Text)
        made = candidate.subquery()
        attributes = sa.func.jsonb_build_object("renews_on", made.c.day)
        calendar = (
            "select count(*) from generate_series(date '1900-01-01', date '2199-12-31', interval '1 day')"
        )
        fields = FilterFields().with_family(json_attributes(attributes, {"renews_on": Attribute("date")}))
        exists = fields.to_sql(parse_filter(predicate("attributes.renews_on", "exists", True)), now=NOW)
        async with engine.connect() as connection:
            days = await connection.scalar(sa.select(sa.func.count()).select_from(made).where(exists))
            assert days == await connection.scalar(sa.text(calendar))

    @pytest.mark.parametrize(
        ("op", "expected"),
        [("lt", [0]), ("lte", [0, 1]), ("eq", [1]), ("gte", [1, 2]), ("gt", [2]), ("ne", [0, 2, 3])],
    )
    async def test_order_at_the_bound(self, engine: AsyncEngine, op: str, expected: list[int]) -> None:
        scores: list[dict[str, Any]] = [{"score": score} for score in (1, 2, 3, None)]
        assert await found(engine, predicate("score", op, 2), *scores) == expected

    async def test_lists_are_asked_for_their_elements(self, engine: AsyncEngine) -> None:
        tags: list[dict[str, Any]] = [{"tags": tags} for tags in (None, [], ["new"], ["new", "vip"])]
        assert await found(engine, predicate("tags", "contains", "vip"), *tags) == [3]
        assert await found(engine, predicate("tags", "in", ["vip", "new"]), *tags) == [2, 3]
        assert await found(engine, predicate("tags", "not_in", ["vip"]), *tags) == [0, 1, 2]
        assert await found(engine, predicate("tags", "exists", False), *tags) == [0, 1]

    async def test_between_includes_both_ends(self, engine: AsyncEngine) -> None:
        scores: list[dict[str, Any]] = [{"score": score} for score in (1, 2, 3, 4)]
        assert await found(engine, predicate("score", "between", [2, 3]), *scores) == [1, 2]

    async def test_within_last_looks_back_only(self, engine: AsyncEngine) -> None:
        offsets = (-2, -1, 0, 1)
        seen = [{"seen_at": NOW + timedelta(days=days)} for days in offsets]
        born = [{"born_on": (NOW + timedelta(days=days)).date()} for days in offsets]
        assert await found(engine, predicate("seen_at", "within_last", "24h"), *seen) == [1, 2]
        assert await found(engine, predicate("born_on", "within_last", "1d"), *born) == [1, 2]

    @on_a_server
    @given(tree=nearly_filters)
    async def test_any_json_is_either_refused_or_runs(self, engine: AsyncEngine, tree: Any) -> None:
        try:
            condition = FIELDS.to_sql(parse_filter(tree), now=NOW)
        except (Invalid, ValidationError):
            return
        async with engine.connect() as connection:
            await connection.execute(sa.select(people.c.id).where(condition))


class TestStatements:
    def test_values_are_never_part_of_the_statement(self) -> None:
        hostile = "'; drop table people; --"
        tree = {"and": [predicate(name, "contains", hostile) for name in ("name", "tags", "attributes.note")]}
        assert "drop" not in statement(tree)

    def test_a_positive_predicate_stays_a_plain_comparison(self) -> None:
        plain = statement(predicate("name", "eq", "Ada"))
        assert plain == "filter_people.name = $1::VARCHAR"
        assert statement({"not": predicate("name", "ne", "Ada")}) == plain
        assert statement(nested(2)) == plain

    def test_lists_are_one_parameter_whatever_their_length(self) -> None:
        assert statement(predicate("name", "in", ["a"])) == statement(predicate("name", "in", ["a", "b"]))

    def test_a_field_answers_positive_predicates_its_own_way(self) -> None:
        assert " IN (SELECT " in statement(predicate("handle", "eq", "ada"))
        assert " IN (SELECT " in statement(predicate("attributes.plan", "in", ["pro"]))
        assert " IN (SELECT " not in statement(predicate("handle", "ne", "ada"))
        assert " IN (SELECT " not in statement(predicate("handle", "contains", "ada"))


class TestContract:
    def test_the_document_names_each_node_once(self) -> None:
        document = document_of_a_search()
        validate(document)
        assert {name for name in document["components"]["schemas"] if "Filter" in name} == {
            "Filter",
            "FilterAnd",
            "FilterOr",
            "FilterNot",
            "FilterPredicate",
        }

    def test_the_example_is_a_filter_and_survives_a_round_trip(self) -> None:
        example = document_of_a_search()["components"]["schemas"]["Filter"]["examples"][0]
        read = TypeAdapter(Filter).validate_python(example)
        assert TypeAdapter(Filter).dump_python(read, mode="json") == example
        assert parse_filter(read) is read

    @settings(deadline=None)
    @given(tree=filters)
    def test_what_was_read_is_written_back_as_it_came(self, tree: Any) -> None:
        assert Search.model_validate({"filter": tree}).model_dump(mode="json") == {"filter": tree}

    def test_a_body_reports_the_place_within_itself(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Search.model_validate({"filter": {"and": [predicate("name", "like", 1)]}})
        assert [error["loc"] for error in refused.value.errors()] == [("filter", "and", 0, "op")]

    def test_fields_describe_themselves(self) -> None:
        described = {each.name: each for each in FIELDS.describe()}
        assert described["stage"].choices == ("lead", "customer", "gone")
        assert described["attributes.plan"].type == "choice"
        assert described["tags"].operators == ("contains", "in", "not_in", "exists")
        assert "attributes.plan" not in {each.name for each in PLAIN_FIELDS.describe()}

    def test_every_operator_is_taken_by_some_type(self) -> None:
        assert {op for taken in TYPE_OPERATORS.values() for op in taken} == set(OPERATORS)

    def test_higher_rooms_register_their_fields(self) -> None:
        fields = FilterFields(FilterField("name", "text", people.c.name))
        fields.register(FilterField("orders.count", "number", people.c.visits, operators=("gte",)))
        fields.to_sql(parse_filter(predicate("orders.count", "gte", 1)), now=NOW)
        with pytest.raises(Invalid):
            fields.to_sql(parse_filter(predicate("orders.count", "eq", 1)), now=NOW)
        with pytest.raises(ValueError, match="registered twice"):
            fields.register(FilterField("name", "text", people.c.name))
