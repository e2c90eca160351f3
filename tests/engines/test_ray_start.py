"""What becomes of images when a node is lost, and how a cluster that cannot be used says so."""

import pytest
from errands import Errands, takers

from cascade import environment
from cascade.engines.protocol import TRIES
from cascade.errors import CS3Error, DeviceError, ModelError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray", "two_processors")]


@pytest.fixture
def start():
    from cascade.engines.ray_pool import RayEngine

    engines = []

    def start(*arguments):
        engines.append(RayEngine(*arguments))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


def test_an_error_while_loading_is_told_at_once(start, cluster, tmp_path):
    with pytest.raises(ModelError, match="expected a model, found none"):
        start(cluster.address, Errands(tmp_path, "badly"))


def test_actors_that_die_while_loading_are_given_up(start, cluster, tmp_path):
    with pytest.raises(DeviceError, match="expected actors that load the model"):
        start(cluster.address, Errands(tmp_path, "deadly"))
    assert len(takers(tmp_path, "load")) <= 2 * TRIES


def test_nodes_with_another_version_are_refused(start, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "version", lambda: "another")
    with pytest.raises(CS3Error, match="expected the same CS3 and model on all nodes"):
        start(cluster.address, Errands(tmp_path))


def test_a_cluster_without_room_says_so(start, cluster, tmp_path, monkeypatch):
    engine = start(cluster.address, Errands(tmp_path))
    monkeypatch.setattr("cascade.engines.ray_pool._ROOM", 0.5)
    with pytest.raises(DeviceError, match="expected a free CPU in the Ray cluster, found none of 2; wait"):
        engine._room("CPU")


def test_a_cluster_without_a_gpu_says_so(start, cluster, tmp_path):
    with pytest.raises(DeviceError, match="expected a GPU in the Ray cluster, found none"):
        start(cluster.address, Errands(tmp_path), "cuda")


def test_a_lost_node_loses_no_image(start, cluster, tmp_path):
    engine = start(cluster.address, Errands(tmp_path))
    futures = [engine.submit(f"image-{number}", "wait") for number in range(4)]
    takers(tmp_path, "image-1")
    cluster.lose_node_of(takers(tmp_path, "image-0")[0])
    (tmp_path / "go").touch()
    assert [future.result(60) for future in futures] == [(f"image-{number}", "cpu") for number in range(4)]
    (tmp_path / "go").unlink()
    cluster.add()  # where Ray starts the lost actor again
    pair = [engine.submit(f"late-{number}", "wait") for number in range(2)]
    assert takers(tmp_path, "late-0") != takers(tmp_path, "late-1")
    (tmp_path / "go").touch()
    assert len([future.result(60) for future in pair]) == 2
