"""Crossings of bands drawn by hand."""

from drawn_sperm import dataset, drawn

from cascade.benchmark.crossings import count_crossings, draws_through, who_draws_through

ACROSS = {"head": (0, 26, 8, 34), "tail": (8, 28, 90, 33)}
DOWN = {"head": (38, 0, 46, 8), "tail": (40, 8, 45, 58)}
FAR = {"head": (90, 50, 98, 58), "tail": (60, 52, 90, 57)}


def test_two_tails_that_cross_are_counted_for_both() -> None:
    assert count_crossings([drawn(**ACROSS), drawn(**DOWN), drawn(**FAR)]).tolist() == [1, 1, 0]
    assert count_crossings([]).tolist() == []


def test_meeting_twice_is_two_crossings() -> None:
    other = drawn(head=(70, 0, 78, 8), tail=(72, 8, 77, 58))
    assert count_crossings([drawn(**ACROSS), drawn(**DOWN), other]).tolist() == [2, 1, 1]


def test_tails_that_share_an_edge_do_not_cross() -> None:
    beside = drawn(head=(0, 36, 8, 44), tail=(8, 32, 90, 37))  # one row in common
    assert count_crossings([drawn(**ACROSS), beside]).tolist() == [0, 0]


def test_a_sperm_without_tail_crosses_nothing() -> None:
    assert count_crossings([drawn(**ACROSS), drawn(head=(40, 26, 50, 36))]).tolist() == [0, 0]


def test_who_stops_at_crossings_is_told_by_the_data() -> None:
    through = {"1.png": [drawn(**ACROSS), drawn(**DOWN)]}
    above = drawn(head=(38, 0, 46, 8), tail=(40, 8, 45, 27))
    experts = [
        dataset("b", through),
        dataset("a", {"1.png": [drawn(**ACROSS), above]}),
        dataset("c", through),
    ]
    assert draws_through(experts) == {"b": True, "a": False, "c": True}
    assert draws_through(experts, images=[]) == dict.fromkeys(
        "bac", True
    )  # nothing crosses: nothing is missed
    assert who_draws_through({}) == []
