"""The bounds on work: they count the same again, and they fail where more is done."""

import pytest

from tests import work


def test_calls_are_counted_and_are_the_same_again():
    counts = []
    for _ in range(2):
        with work.counted() as done:
            [abs(number) for number in range(1000)]
        counts.append(done.calls)
    assert counts[0] == counts[1] >= 1000


def test_more_calls_or_memory_than_the_bound_fail():
    with work.at_most(5000):
        [ord(letter) for letter in "a" * 1000]
    with pytest.raises(work.TooMuchError, match="calls were made, more than 500"), work.at_most(500):
        [ord(letter) for letter in "a" * 1000]
    with work.holding_at_most(1):
        bytes(1000)
    with pytest.raises(work.TooMuchError, match="MB were held at once"), work.holding_at_most(1):
        bytes(3 << 20)


def test_what_hangs_or_does_not_come_is_ended(monkeypatch):
    monkeypatch.setattr(work, "HANG", 0.1)
    with pytest.raises(work.TooMuchError, match="hangs"), work.not_hanging():
        work.time.sleep(60)
    with pytest.raises(work.TooMuchError, match="the moon did not come"):
        work.wait_until(lambda: False, "the moon")
    assert work.wait_until(lambda: 3, "three") == 3
