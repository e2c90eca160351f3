"""Outlines of the same sperm."""

from drawn_sperm import sperm

from cascade.benchmark.clusters import same_sperm


def test_outlines_that_overlap_enough_are_one_sperm() -> None:
    a = [sperm(0, 0), sperm(0, 30)]
    b = [sperm(50, 45), sperm(1, 0)]
    c = [sperm(0, 1)]
    clusters = same_sperm([a, b, c])
    assert sorted(map(sorted, (cluster.items() for cluster in clusters))) == [
        [(0, 0), (1, 1), (2, 0)],
        [(0, 1)],
        [(1, 0)],
    ]


def test_a_rater_has_one_outline_of_a_sperm() -> None:
    twice = [sperm(0, 0), sperm(0, 1)]
    clusters = same_sperm([twice, [sperm(0, 0)]])
    assert sorted(map(len, clusters)) == [1, 2]
    assert {0: 0, 1: 0} in clusters


def test_nothing_outlined() -> None:
    assert same_sperm([]) == same_sperm([[], []]) == []
