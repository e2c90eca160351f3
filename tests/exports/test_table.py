import csv
import io

from cascade.exports import table


def test_rows_read_back(rows):
    handle = io.StringIO()
    named = [{"file_name": "a, b.png"} | row for row in rows]
    table.write(handle, table.columns(named), named)
    read = list(csv.DictReader(io.StringIO(handle.getvalue())))
    assert [row["sperm_id"] for row in read] == ["1", "2", "3", "4"]
    assert [row["complete"] for row in read] == ["true", "true", "false", "false"]
    assert [row["tail_length_px"] for row in read] == ["28", "", "", ""]
    assert read[0]["file_name"] == "a, b.png"


def test_first_columns_come_first_and_others_as_they_appear():
    assert table.columns([{"score": 1, "b": 2}, {"a": 1, "b": 2}]) == [*table.FIRST_COLUMNS, "b", "a"]


def test_no_sperm_is_a_header():
    handle = io.StringIO()
    table.write(handle, table.columns([]), [])
    assert handle.getvalue() == "file_name,sperm_id,score,complete\n"


def test_numbers_have_seven_digits():
    handle = io.StringIO()
    table.write(handle, ["a"], [{"a": 1 / 3}, {"a": 123456789}])
    assert handle.getvalue().split() == ["a", "0.3333333", "123456789"]
