"""What Prometheus reads at /metrics: requests, the queue, and what the workers tell of themselves."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cascade import environment
from service.store import Store
from service.workers_seen import WorkersSeen

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one API process, and of the workers that it hears of."""

    def __init__(self, store: Store, workers: WorkersSeen) -> None:
        self._registry = CollectorRegistry()
        labels = ["method", "path"]
        self.requests = Counter(
            "cs3_http_requests", "Requests answered.", [*labels, "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "cs3_http_request_seconds",
            "Seconds until the answer began.",
            labels,
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.open = Gauge("cs3_http_requests_open", "Requests in progress.", registry=self._registry)
        self.received = Counter("cs3_received_bytes", "Bytes of files received.", registry=self._registry)
        self._registry.register(_WorkerCollector(store, workers))

    def text(self) -> bytes:
        """In Prometheus' text format. Reads the database."""
        return generate_latest(self._registry)


class _WorkerCollector(Collector):
    """What is counted elsewhere, read when it is asked for."""

    def __init__(self, store: Store, workers: WorkersSeen) -> None:
        self._store, self._workers = store, workers

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        waiting, running = self._store.waiting()
        tasks = GaugeMetricFamily("cs3_queue_images", "Images by state.", labels=["state"])
        tasks.add_metric(["queued"], waiting)
        tasks.add_metric(["running"], running)
        yield tasks
        info = GaugeMetricFamily("cs3_info", "Version of the service.", labels=["version"])
        info.add_metric([environment.version()], 1)
        yield info
        yield from self._of_workers()

    def _of_workers(self) -> Iterable[Metric]:
        label = ["worker"]
        ready = GaugeMetricFamily(
            "cs3_worker_ready", "Whether a worker's model is warm.", labels=["worker", "model", "device"]
        )
        images = CounterMetricFamily("cs3_worker_images", "Images segmented.", labels=label)
        errors = CounterMetricFamily("cs3_worker_errors", "Images failed or tried again.", labels=label)
        stages = CounterMetricFamily(
            "cs3_stage_seconds", "Seconds spent in a stage of the pipeline.", labels=["worker", "stage"]
        )
        batches = CounterMetricFamily(
            "cs3_batches", "Passes of the image encoder by their number of images.", labels=["worker", "size"]
        )
        memory = GaugeMetricFamily(
            "cs3_gpu_memory_bytes", "Memory of a worker's GPU.", labels=["worker", "kind"]
        )
        for row in self._workers.alive():
            name, stats = row["id"], row["stats"]
            ready.add_metric([name, row["model"], row["device"]], float(row["state"] == "ready"))
            images.add_metric([name], stats.get("images", 0))
            errors.add_metric([name], stats.get("errors", 0))
            for stage, seconds in stats.get("stages", {}).items():
                stages.add_metric([name, stage], seconds)
            for size, count in stats.get("batches", {}).items():
                batches.add_metric([name, size], count)
            if "gpu_memory" in stats:
                memory.add_metric([name, "used"], stats["gpu_memory"])
                memory.add_metric([name, "total"], stats["gpu_memory_total"])
        yield from (ready, images, errors, stages, batches, memory)
