import pytest

from app.kit.errors import RateLimited
from app.kit.rate_limit import RateLimiter


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticker() -> HandClock:
    return HandClock()


def test_a_burst_is_allowed_and_the_next_request_is_not(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 3, clock=ticker)
    answers = [limiter.check("key").retry_after for _ in range(4)]
    assert answers == [None, None, None, 1]


def test_tokens_come_back_with_time(ticker: HandClock) -> None:
    limiter = RateLimiter(0.5, 1, clock=ticker)
    limiter.check("key")
    assert limiter.check("key").retry_after == 2
    ticker.now += 1.5
    assert limiter.check("key").retry_after == 1
    ticker.now += 0.5
    assert limiter.check("key").retry_after is None


def test_a_refusal_takes_no_token(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=ticker)
    limiter.check("key")
    for _ in range(50):
        limiter.check("key")
    ticker.now += 1
    assert limiter.check("key").retry_after is None


def test_one_subject_does_not_use_up_anothers_budget(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=ticker)
    limiter.check("a")
    assert limiter.check("b").retry_after is None


def test_looking_takes_nothing(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 1, clock=ticker)
    for _ in range(5):
        assert limiter.peek("address").retry_after is None
    limiter.check("address")
    assert limiter.peek("address").retry_after == 1


def test_the_fields_follow_the_draft(ticker: HandClock) -> None:
    limiter = RateLimiter(100, 100, clock=ticker)
    for _ in range(26):
        limiter.check("key")
    assert limiter.check("key").headers() == {
        "RateLimit-Policy": '"default";q=100;w=1',
        "RateLimit": '"default";r=73;t=1',
    }


def test_remaining_never_exceeds_the_published_quota(ticker: HandClock) -> None:
    fields = RateLimiter(100, 500, clock=ticker).check("key").headers()
    assert fields["RateLimit-Policy"] == '"default";q=500;w=5'
    assert fields["RateLimit"] == '"default";r=499;t=1'


def test_a_refusal_names_when_to_come_back(ticker: HandClock) -> None:
    limiter = RateLimiter(0.1, 1, clock=ticker)
    limiter.check("key")
    with pytest.raises(RateLimited) as refused:
        limiter.check("key").enforce("Too many.")
    assert refused.value.headers["Retry-After"] == "10"
    assert refused.value.headers["RateLimit"] == '"default";r=0;t=10'


def test_zero_a_second_turns_it_off(ticker: HandClock) -> None:
    limiter = RateLimiter(0, 0, clock=ticker)
    for _ in range(1000):
        limiter.check("key").enforce("never")
    assert limiter.check("key").headers() == {}
    assert len(limiter) == 0


def test_full_buckets_are_forgotten(ticker: HandClock) -> None:
    limiter = RateLimiter(10, 10, clock=ticker)
    for number in range(500):
        limiter.check(number)
    ticker.now += 1
    for number in range(1000, 1300):
        limiter.check(number)
    assert len(limiter) <= 300


def test_memory_is_bounded_under_a_flood_of_addresses(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 100, clock=ticker, most_subjects=50)
    for number in range(10_000):
        limiter.check(number)
    assert len(limiter) == 50


def test_a_clock_that_steps_back_gives_and_takes_nothing(ticker: HandClock) -> None:
    limiter = RateLimiter(1, 2, clock=ticker)
    limiter.check("key")
    ticker.now -= 500
    assert limiter.check("key").retry_after is None
    assert limiter.check("key").retry_after == 1
