"""What must be taken back is on the disk before it is done."""

from __future__ import annotations

import os

import pytest

from clusters.journal import Journal


def test_open_entries_come_newest_first_and_done_ones_not_at_all(tmp_path):
    journal = Journal(tmp_path / "deep" / "journal.jsonl")
    first, second, third = (journal.write({"act": name}) for name in ("a", "b", "c"))
    journal.done(second)

    assert list(journal.open().items()) == [(third, {"act": "c"}), (first, {"act": "a"})]


def test_another_process_reads_the_same_and_goes_on_counting_after_entries_that_were_undone(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    first, second = journal.write({"act": "a"}), journal.write({"act": "b"})
    journal.done(second)

    again = Journal(journal.path)
    third = again.write({"act": "c"})

    assert len({first, second, third}) == 3
    assert set(again.open()) == {first, third}


@pytest.mark.parametrize("torn", [b'{"entry": 2, "un', b'{"entry"', b"\xff"])
def test_a_torn_line_was_never_acted_upon_and_spoils_no_other(tmp_path, torn):
    journal = Journal(tmp_path / "journal.jsonl")
    first = journal.write({"act": "a"})
    with journal.path.open("ab") as out:
        out.write(torn)

    again = Journal(journal.path)
    assert set(again.open()) == {first}
    later = again.write({"act": "b"})

    assert again.open() == {first: {"act": "a"}, later: {"act": "b"}}


def test_an_entry_is_synced_to_the_disk_before_write_returns(tmp_path, monkeypatch):
    synced: list[bytes] = []
    real = os.fsync

    def fsync(descriptor):
        real(descriptor)
        synced.append((tmp_path / "journal.jsonl").read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(tmp_path / "journal.jsonl")
    number = journal.write({"act": "a"})
    journal.done(number)

    assert [text.count(b"\n") for text in synced] == [1, 2]
    assert b'"act": "a"' in synced[0]
    assert b'"undone": true' in synced[1]


def test_an_entry_that_cannot_be_written_leaves_the_number_unused(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(TypeError):
        journal.write({"act": object()})

    assert journal.open() == {}
