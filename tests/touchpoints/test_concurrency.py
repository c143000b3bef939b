"""Many at once: one row a key, no deadlock, no lost count."""

import asyncio

import httpx

from tests.touchpoints.examples import batch, listed, make_contact, order, record, stats, visit


async def test_twenty_posts_of_one_key_make_one_touchpoint(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(record(client, order(1)) for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == 1
    assert sorted(answer["status"] for answer in answers) == ["created"] + ["unchanged"] * 19
    (only,) = await listed(client)
    assert only["version"] == 1
    assert (await stats(client, only["contact_id"]))["touchpoint_count"] == 1


async def test_twenty_posts_of_one_new_contact_make_one_contact(client: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*(record(client, visit()) for _ in range(20)))
    assert len({each["contact_id"] for each in made}) == 1
    assert (await stats(client, made[0]["contact_id"]))["touchpoint_count"] == 20


async def test_parallel_batches_over_the_same_contacts_all_succeed(client: httpx.AsyncClient) -> None:
    contact_ids = [await make_contact(client, number) for number in range(10)]

    def items(writer: int) -> list[object]:
        """Every writer has the contacts and half of the keys in an order of its own."""
        numbers = range(30) if writer % 2 else range(29, -1, -1)
        return [
            order(number, contact_id=contact_ids[(number * (writer + 1)) % 10]) if number % 2
            else visit(contact_id=contact_ids[(number + writer) % 10])
            for number in numbers
        ]  # fmt: skip

    results = await asyncio.gather(*(batch(client, items(writer)) for writer in range(8)))
    assert [result["errors"] for result in results] == [0] * 8
    counts = [(await stats(client, contact_id))["touchpoint_count"] for contact_id in contact_ids]
    assert sum(counts) == 8 * 15 + 15


async def test_parallel_deletes_and_posts_keep_count(client: httpx.AsyncClient) -> None:
    contact_id = await make_contact(client, 1)
    made = (await batch(client, [visit(contact_id=contact_id) for _ in range(10)]))["results"]
    await asyncio.gather(
        *(client.delete(f"/v1/touchpoints/{each['id']}") for each in made),
        *(record(client, visit(contact_id=contact_id)) for _ in range(10)),
    )
    assert (await stats(client, contact_id))["touchpoint_count"] == 10
