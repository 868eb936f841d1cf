"""What a process counts for the operator, until it is stored."""

from __future__ import annotations

import threading

from postprober.domain.meters import ATTEMPTS, CALLS, METERS, Tally, answer_of


def test_a_counter_counts_by_labels_and_what_is_stored_is_counted_no_more() -> None:
    tally = Tally()
    for outcome in ("success", "success", "unknown"):
        tally.count(ATTEMPTS, "x", "publish", outcome)
    pending = tally.pending()
    assert pending == {
        ("postprober_attempts", ("x", "publish", "success")): 2,
        ("postprober_attempts", ("x", "publish", "unknown")): 1,
    }
    tally.count(ATTEMPTS, "x", "publish", "success")  # while the others are being written
    assert tally.pending()["postprober_attempts", ("x", "publish", "success")] == 3, "nothing was said to be stored yet"
    tally.stored(pending)
    assert tally.pending() == {("postprober_attempts", ("x", "publish", "success")): 1}


def test_a_histogram_counts_a_value_in_the_first_bucket_that_holds_it() -> None:
    tally = Tally()
    for seconds in (0.1, 0.11, 61.0, -3.0):
        tally.observe(CALLS, seconds, "x", "2xx")
    counted = tally.pending()
    assert {labels[-1]: n for (name, labels), n in counted.items() if name.endswith("_bucket")} == {
        "0.1": 2,  # its bound belongs to it; a clock that was turned back counts as nothing
        "0.25": 1,
        "+Inf": 1,
    }
    assert counted["postprober_platform_call_seconds_sum", ("x", "2xx")] == 0.1 + 0.11 + 61.0


def test_threads_lose_nothing() -> None:
    tally = Tally()

    def work() -> None:
        for _ in range(2000):
            tally.count(ATTEMPTS, "x", "publish", "success")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    stored = 0.0
    while any(thread.is_alive() for thread in threads):
        pending = tally.pending()
        stored += sum(pending.values())
        tally.stored(pending)
    assert stored + sum(tally.pending().values()) == 8000


def test_answers_are_a_small_set() -> None:
    assert [answer_of(status) for status in (None, 200, 404, 429, 503)] == ["none", "2xx", "4xx", "429", "5xx"]


def test_names_follow_the_conventions() -> None:
    for meter in METERS:
        assert meter.name.startswith("postprober_") and not meter.name.endswith("_total")
        assert bool(meter.bounds) == meter.name.endswith("_seconds"), "durations are histograms in seconds"
        assert list(meter.bounds) == sorted(set(meter.bounds))
        assert not set(meter.labels) & {"account", "user", "post", "delivery", "le"}
