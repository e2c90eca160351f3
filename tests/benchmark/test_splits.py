"""Images in groups: by date, by a field, never at random."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.benchmark.splits import date_groups, date_in, field_groups, select_images
from cascade.errors import AnnotationError


def test_a_date_is_found_anywhere_in_a_name() -> None:
    assert date_in("Image__2022-10-29__05-31-54.jpg") == date(2022, 10, 29)
    with pytest.raises(AnnotationError, match=r"expected a date .* found 'smear\.jpg'; list images"):
        date_in("smear.jpg")
    with pytest.raises(AnnotationError, match="2022-13-29"):
        date_in("2022-13-29.jpg")


def test_filters_keep_the_order_given() -> None:
    names = ["2023-02-01.png", "2023-01-01.png", "2023-03-01.png"]
    assert select_images(names, until=date(2023, 2, 1)) == names[:2]
    assert select_images(names, after=date(2023, 1, 1)) == [names[0], names[2]]
    assert select_images(names, images={"2023-03-01.png"}) == names[2:]


def test_groups_of_dates_are_even_and_divide_no_date() -> None:
    sizes = {"2023-01-01": 4, "2023-01-02": 1, "2023-01-03": 1, "2023-01-04": 3, "2023-01-05": 4}
    names = [f"{day}_{i}.png" for day, size in sizes.items() for i in range(size)]
    groups = date_groups(list(reversed(names)), 3)
    assert [sorted({name[:10] for name in group}) for group in groups] == [
        ["2023-01-01"],
        ["2023-01-02", "2023-01-03", "2023-01-04"],
        ["2023-01-05"],
    ]


@given(st.lists(st.integers(1, 28), min_size=4, max_size=40), st.integers(1, 4))
def test_groups_of_dates_hold_every_image_once_in_order(days: list[int], count: int) -> None:
    names = [f"2023-01-{day:02d}_{i}.png" for i, day in enumerate(days)]
    if len(set(days)) < count:
        with pytest.raises(AnnotationError, match="fewer groups"):
            date_groups(names, count)
        return
    groups = date_groups(names, count)
    assert len(groups) == count
    assert sorted(name for group in groups for name in group) == sorted(names)
    of_days = [[date_in(name) for name in group] for group in groups]
    assert all(max(a) < min(b) for a, b in pairwise(of_days))


def test_a_field_of_the_name_makes_groups() -> None:
    names = ["p2_a.png", "p1_a.png", "p2_b.png"]
    assert field_groups(names, r"^(p\d)_") == {"p1": ["p1_a.png"], "p2": ["p2_a.png", "p2_b.png"]}
    assert list(field_groups(names, r"p\d")) == ["p1", "p2"]
    with pytest.raises(AnnotationError, match=r"expected the field 'q' in every name, found 'p2_a\.png'"):
        field_groups(names, "q")
    with pytest.raises(AnnotationError, match="expected a regular expression"):
        field_groups(names, "(")


def test_no_groups_make_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one group"):
        date_groups(["2023-01-01.png"], 0)
