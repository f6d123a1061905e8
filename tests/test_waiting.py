"""What the one waiting function tells of its looks while it waits."""

import pytest

from clusters.errors import WaitTimeout
from clusters.waiting import until, watched


def test_each_look_in_vain_is_told_with_what_was_seen_and_the_end_once():
    answers = iter([None, False, "4 of 6 up", "6 of 6 up"])
    probe = Probe(answers)
    looks = []

    with watched(looks.append):
        until("all up", probe, timeout=5, every=0.01)

    assert [look.seen for look in looks[:-1]] == ["not yet", "not yet", "4 of 6 up"]
    assert [look.over for look in looks] == [False, False, False, True]
    assert {(look.what, look.timeout) for look in looks} == {("all up", 5)}
    assert [look.seconds for look in looks] == sorted(look.seconds for look in looks)


class Probe:
    """Holds once it has said that six are up; keeps what it saw last, as conditions of a ring do."""

    def __init__(self, answers):
        self._answers = answers
        self.last = None

    def __call__(self):
        self.last = next(self._answers)
        return self.last == "6 of 6 up"


def test_a_wait_that_ends_in_an_error_is_over_too():
    looks = []

    def refused():
        raise ConnectionRefusedError("port 9042")

    with watched(looks.append), pytest.raises(WaitTimeout, match="port 9042"):
        until("CQL", refused, timeout=0.05, every=0.01)

    assert "port 9042" in looks[0].seen
    assert [look.over for look in looks] == [False] * (len(looks) - 1) + [True]


def test_nobody_hears_a_wait_outside_the_block():
    looks = []
    with watched(looks.append):
        pass

    assert until("it", lambda: "here", timeout=1) == "here"
    assert looks == []
