import pytest

from app.kit.errors import RateLimited
from app.kit.rate_limit import RateLimiter


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_a_burst_is_allowed_and_the_next_request_is_not(clock: HandClock) -> None:
    limiter = RateLimiter(1, 3, clock=clock)
    answers = [limiter.check("key").retry_after for _ in range(4)]
    assert answers == [None, None, None, 1]


def test_tokens_come_back_with_time(clock: HandClock) -> None:
    limiter = RateLimiter(0.5, 1, clock=clock)
    limiter.check("key")
    assert limiter.check("key").retry_after == 2
    clock.now += 1.5
    assert limiter.check("key").retry_after == 1
    clock.now += 0.5
    assert limiter.check("key").retry_after is None


def test_a_refusal_takes_no_token(clock: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=clock)
    limiter.check("key")
    for _ in range(50):
        limiter.check("key")
    clock.now += 1
    assert limiter.check("key").retry_after is None


def test_one_subject_does_not_use_up_anothers_budget(clock: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=clock)
    limiter.check("a")
    assert limiter.check("b").retry_after is None


def test_looking_takes_nothing(clock: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=clock)
    for _ in range(5):
        assert limiter.peek("address").retry_after is None
    limiter.check("address")
    assert limiter.peek("address").retry_after == 1


def test_the_fields_follow_the_draft(clock: HandClock) -> None:
    limiter = RateLimiter(100, 100, clock=clock)
    for _ in range(26):
        limiter.check("key")
    assert limiter.check("key").headers() == {
        "RateLimit-Policy": '"default";q=100;w=1',
        "RateLimit": '"default";r=73;t=1',
    }


def test_remaining_never_exceeds_the_published_quota(clock: HandClock) -> None:
    fields = RateLimiter(100, 500, clock=clock).check("key").headers()
    assert fields["RateLimit-Policy"] == '"default";q=500;w=5'
    assert fields["RateLimit"] == '"default";r=499;t=1'


def test_a_refusal_names_when_to_come_back(clock: HandClock) -> None:
    limiter = RateLimiter(0.1, 1, clock=clock)
    limiter.check("key")
    with pytest.raises(RateLimited) as refused:
        limiter.check("key").enforce("Too many.")
    assert refused.value.headers["Retry-After"] == "10"
    assert refused.value.headers["RateLimit"] == '"default";r=0;t=10'


def test_zero_a_second_turns_it_off(clock: HandClock) -> None:
    limiter = RateLimiter(0, 0, clock=clock)
    for _ in range(1000):
        limiter.check("key").enforce("never")
    assert limiter.check("key").headers() == {}
    assert len(limiter) == 0


def test_full_buckets_are_forgotten(clock: HandClock) -> None:
    limiter = RateLimiter(10, 10, clock=clock)
    for number in range(500):
        limiter.check(number)
    clock.now += 1
    for number in range(1000, 1300):
        limiter.check(number)
    assert len(limiter) <= 300


def test_memory_is_bounded_under_a_flood_of_addresses(clock: HandClock) -> None:
    limiter = RateLimiter(1, 100, clock=clock, most_subjects=50)
    for number in range(10_000):
        limiter.check(number)
    assert len(limiter) == 50


def test_a_clock_that_steps_back_gives_and_takes_nothing(clock: HandClock) -> None:
    limiter = RateLimiter(1, 2, clock=clock)
    limiter.check("key")
    clock.now -= 500
    assert limiter.check("key").retry_after is None
    assert limiter.check("key").retry_after == 1
