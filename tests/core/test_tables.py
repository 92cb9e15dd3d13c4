from __future__ import annotations

from tutelage.core.tables import csv_bytes


def test_a_table_is_utf8_with_what_it_lacks_left_empty() -> None:
    rows = [{"a": 1, "b": 'é, "x"'}, {"b": None}, {"a": "007"}]
    assert csv_bytes(rows, ["a", "b"]) == 'a,b\n1,"é, ""x"""\n,\n007,\n'.encode()
    assert csv_bytes(rows[:1], ["a"], header=False) == b"1\n"
