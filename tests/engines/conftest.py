"""A cluster of three nodes on this machine: a head without processors, and two with one each."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cascade.engines.address import RAY


class Nodes:
    """A cluster whose nodes come and go.

    Args:
        cluster: one of Ray's, with a head.
        port: of its head, for clients.
    """

    def __init__(self, cluster: Any, port: int) -> None:
        self._cluster, self.address = cluster, f"ray://127.0.0.1:{port}"

    def add(self) -> None:
        self._cluster.add_node(num_cpus=1)

    def lose_node_of(self, actor: int) -> None:
        """Kill an actor and the node that it is on."""
        raylet = int(Path(f"/proc/{actor}/stat").read_text().rpartition(")")[2].split()[1])
        node = next(
            one
            for one in self._cluster.worker_nodes
            if raylet in {info.process.pid for infos in one.all_processes.values() for info in infos}
        )
        self._cluster.remove_node(node, allow_graceful=False)
        os.kill(actor, signal.SIGKILL)


@pytest.fixture(scope="session")
def ray() -> Any:
    """The module, with work from the tests going to actors by value: they are not installed on nodes."""
    if not (find_spec("ray") and find_spec("grpc")):
        pytest.skip("needs the extra ray")
    import errands

    from cascade.engines.ray_connection import import_ray

    module = import_ray(RAY)
    module.cloudpickle.register_pickle_by_value(errands)
    return module


@pytest.fixture(scope="session")
def cluster(ray: Any) -> Iterator[Nodes]:
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="cs3-ray-", dir="/tmp")  # short, because sockets lie in it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    head = {"num_cpus": 0, "ray_client_server_port": port, "include_dashboard": False, "temp_dir": folder}
    started = Cluster(initialize_head=True, head_node_args=head)
    nodes = Nodes(started, port)
    for _ in range(2):
        nodes.add()
    yield nodes
    started.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def two_processors() -> Iterator[None]:
    """As if this machine had two, so that a Ray of its own has two actors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        yield
