"""Actors of a real Ray: what becomes of images when they fail, and when actors die over them."""

import os
import signal

import pytest
from errands import Errands, takers

from cascade.engines.protocol import TRIES, EngineLostError
from cascade.errors import DeviceError, ImageError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray", "two_processors")]
PATIENCE = 120  # seconds for what takes some on a machine that is not busy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("errands")


@pytest.fixture(scope="module", params=["ray", "cluster"])
def engine(request, folder):
    """A Ray of its own, and a cluster; with two actors each."""
    from cascade.engines.ray_pool import RayEngine

    own = request.param == "ray"
    engine = RayEngine("ray" if own else request.getfixturevalue("cluster").address, Errands(folder))
    yield engine
    engine.close()


@pytest.fixture
def name(request, engine):
    return f"{request.node.originalname}-{id(engine)}"


def answers(futures):
    return [future.result(PATIENCE) for future in futures]


def test_images_are_answered(engine, folder):
    names = [f"plain-{number}" for number in range(6)]
    assert engine.slots == 2
    assert (engine.model, engine.model_sha256) == ("stand-in", "f" * 64)
    assert answers([engine.submit(name) for name in names]) == [(name, "cpu") for name in names]


def test_an_error_arrives_as_it_was_raised_and_harms_no_other(engine):
    bad, good = engine.submit("bad", "fail"), [engine.submit(f"good-{number}") for number in range(4)]
    with pytest.raises(ImageError) as caught:
        bad.result(PATIENCE)
    assert str(caught.value) == "bad: expected é, found è; do ê"
    assert "in work" in caught.value.__notes__[0]  # where it was raised, on the node
    assert len(answers(good)) == 4


def test_an_error_that_cannot_travel_is_told_all_the_same(engine):
    bad = engine.submit("odd", "break")
    with pytest.raises(Exception, match="Unheard"):
        bad.result(PATIENCE)
    assert answers([engine.submit("after")]) == [("after", "cpu")]


def test_a_killed_actor_loses_no_image(engine, folder, name):
    futures = [engine.submit(f"{name}-{number}", "wait") for number in range(5)]
    victim = takers(folder, f"{name}-0")[0]
    os.kill(victim, signal.SIGKILL)
    takers(folder, f"{name}-1")
    (folder / "go").touch()
    assert answers(futures) == [(f"{name}-{number}", "cpu") for number in range(5)]
    (folder / "go").unlink()
    assert victim in takers(folder, f"{name}-0", 2)
    pair = [engine.submit(f"{name}-{letter}", "wait") for letter in "ab"]  # Ray has started it again
    assert takers(folder, f"{name}-a") != takers(folder, f"{name}-b")
    (folder / "go").touch()
    answers(pair)
    (folder / "go").unlink()


def test_an_image_over_which_actors_die_fails_alone(engine, folder, name):
    poison = engine.submit(f"{name}-poison", "kill")
    good = [engine.submit(f"{name}-{number}") for number in range(6)]
    assert answers(good) == [(f"{name}-{number}", "cpu") for number in range(6)]
    with pytest.raises(DeviceError, match=f"actors died over it {TRIES} times"):
        poison.result(PATIENCE)
    assert len(takers(folder, f"{name}-poison")) == TRIES
    assert answers([engine.submit("after")]) == [("after", "cpu")]


def test_what_is_under_way_at_the_end_is_told_so(engine, folder, name):
    futures = [engine.submit(f"{name}-{number}", "wait") for number in range(4)]
    takers(folder, f"{name}-0")
    engine.close()
    for future in futures:
        with pytest.raises(EngineLostError, match="closed"):
            future.result(PATIENCE)
    with pytest.raises(EngineLostError, match="closed"):
        engine.submit("late")
