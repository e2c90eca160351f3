import numpy as np
import pytest

from cascade.config import CS3Config
from cascade.explain.record import document
from cascade.explain.story import tell
from cascade.pipeline import Trace
from cascade.rounds import Rejected, TailRound
from cascade.skeleton import Skeleton
from cascade.types import Region, Result, Tail

SHAPE, UNIT = (100, 200), 20.0
WHITE = np.full((*SHAPE, 3), 240, np.uint8)
KINK = np.array([(20, 80), (50, 20), (80, 80)], float)


def round_of(image, found=(), rejected=()):
    skeleton = Skeleton([], np.zeros((0, 2)))
    return TailRound(
        name="S2",
        image=image,
        foreground=np.zeros(SHAPE, bool),
        skeleton=skeleton,
        prompts=[],
        found=list(found),
        rejected=list(rejected),
    )


def tail(y):
    line = np.array([(100, y), (190, y)], float)
    return Tail(Region(np.ones((2, 90), bool), 100, y), 0.8, line, 2.0)


def story(trace):
    return tell(WHITE, trace, Result(SHAPE, (), UNIT, "measured"), CS3Config())


def test_same_candidate_from_several_branches_is_told_once():
    rejected = [
        Rejected(np.array([(150, 50), (155, 50)], float), "length 0.25 < 0.50 head lengths"),
        Rejected(KINK, "bend of 53° < 90°"),
        Rejected(KINK[::-1], "bend of 53° < 90°"),
    ]
    (chapter,) = story(Trace(tail_rounds=[round_of(WHITE, rejected=rejected)])).tail_rounds
    kink, stub = chapter.dropped
    assert (kink.mark, kink.times, stub.mark, stub.times) == ("x1", 2, "x2", 1)
    assert kink.length == pytest.approx(2 * np.hypot(30, 60) / UNIT)
    assert kink.turn == pytest.approx([50, 20], abs=6)
    assert stub.turn is None


def test_tails_keep_their_marks_through_the_rounds():
    first, second = tail(30), tail(60)
    trace = Trace(
        tails=[second, first], tail_rounds=[round_of(WHITE, found=[first]), round_of(WHITE, found=[second])]
    )
    told = story(trace)
    assert [list(chapter.found) for chapter in told.tail_rounds] == [["T2"], ["T1"]]
    assert told.lonely_tails == {"T1": "no head was found", "T2": "no head was found"}


def test_painted_is_what_changed_until_the_next_round():
    before = WHITE.copy()
    before[30:34, 100:190] = (60, 150, 60)
    left = WHITE.copy()
    (chapter,) = story(Trace(tail_rounds=[round_of(before)], left=left)).tail_rounds
    assert np.argwhere(chapter.painted).min(0).tolist() == [30, 100]
    assert np.argwhere(chapter.painted).max(0).tolist() == [33, 189]
    assert (
        document(story(Trace(tail_rounds=[round_of(before)], left=left)), [])["tail_rounds"][0]["painted_px"]
        == 4 * 90
    )


def test_nothing_is_painted_where_nothing_came_after():
    (chapter,) = story(Trace(tail_rounds=[round_of(WHITE)])).tail_rounds
    assert not chapter.painted.any()


def test_empty_trace():
    told = story(Trace())
    assert (told.head_rounds, told.tail_rounds, told.knots, told.matches) == ([], [], [], [])
    assert told.normalised is WHITE
