"""Many clients at once for some minutes: errors, memory, and how long it takes to submit a job.

    python benchmarks/service/load.py --clients 50 --minutes 5

Each client submits a job of one small image, looks at it a few times, reads its results as far as there are
any, and begins again; told 429, it comes again after `Retry-After`. The queue is short, so that 429 happens.
Memory is resident memory: the median of the last third of the time against that of the first third.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
from running import RunningService, as_png, parser, pictures, report

GOAL = 0.2  # seconds, the 99th percentile of submissions


@dataclass
class Seen:
    """What the clients saw."""

    answers: Counter[str] = field(default_factory=Counter)
    submitted: list[float] = field(default_factory=list)  # seconds of each accepted submission
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Start, load, look."""
    options = _options()
    seen = Seen()
    settings = {"MAX_QUEUE": str(options.queue), "WORKER_NICENESS": str(options.worker_niceness)}
    with RunningService(settings) as service:
        service.wait_until_ready()
        print("ready", flush=True)
        memory = asyncio.run(_load(service, options, seen))
        still_ready = service.ready()
    growth = {kind: _growth([one[kind] for one in memory if kind in one]) for kind in ("api", "worker")}
    submitted = sorted(seen.submitted)
    p50, p99 = (_quantile(submitted, part) for part in (0.5, 0.99))
    bad = {
        name: count for name, count in seen.answers.items() if name.split()[-1] not in ("200", "202", "429")
    }
    report(
        options.out,
        {"clients": options.clients, "minutes": options.minutes, "answers": seen.answers, "faults": bad}
        | {"submit_p50_s": p50, "submit_p99_s": p99, "memory_growth_mib": growth, "memory_mib": memory[-1:]},
        [
            "clients",
            "minutes",
            "requests",
            "429",
            "errors",
            "jobs",
            "p50 / p99 of POST /v1/jobs",
            "API",
            "worker",
        ],
        [
            [
                options.clients,
                options.minutes,
                sum(seen.answers.values()),
                sum(count for name, count in seen.answers.items() if name.endswith("429")),
                sum(bad.values()),
                len(submitted),
                f"{p50 * 1000:.0f} / {p99 * 1000:.0f} ms",
                *(f"{growth[kind]:+.0f} MiB" for kind in ("api", "worker")),
            ]
        ],
    )
    for one in seen.faults[:20]:
        print(f"WRONG: {one}", file=sys.stderr)
    if not still_ready:
        print("WRONG: not ready afterwards", file=sys.stderr)
    sys.exit(bool(bad) or not still_ready or p99 > GOAL)


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "load")
    arguments.add_argument("--clients", type=int, default=50)
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--queue", type=int, default=200, help="images that may wait")
    arguments.add_argument("--worker-niceness", type=int, default=5, help="as CS3_SERVICE_WORKER_NICENESS")
    arguments.add_argument("--pause", type=float, default=0.5, help="seconds between a client's requests")
    return arguments.parse_args()


async def _load(service: RunningService, options: argparse.Namespace, seen: Seen) -> list[dict[str, float]]:
    """All clients at once; what the processes' memory was, every second."""
    until = time.monotonic() + options.minutes * 60
    images = [as_png(picture) for picture in pictures(4, 160, 130)]
    memory: list[dict[str, float]] = []

    async def watch() -> None:
        while time.monotonic() < until:
            memory.append(service.memory())
            await asyncio.sleep(1)

    clients = [
        _client(service.url, number, images[number % len(images)], options.pause, until, seen)
        for number in range(options.clients)
    ]
    await asyncio.gather(watch(), *clients)
    return memory


async def _client(url: str, number: int, image: bytes, pause: float, until: float, seen: Seen) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.sleep(pause * number / 50)  # not all in the same moment
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await _ask(client, seen, "POST", "/v1/jobs", files={"images": ("smear.png", image)})
            if answer is None:
                await asyncio.sleep(pause)
                continue
            if answer.status_code == 429:
                await asyncio.sleep(min(int(answer.headers["retry-after"]), max(0, until - time.monotonic())))
                continue
            if answer.status_code != 202:
                continue
            seen.submitted.append(time.monotonic() - began)
            job = f"/v1/jobs/{answer.json()['id']}"
            for address in (job, f"{job}/results?format=ndjson", "/v1/jobs?limit=20", job):
                await asyncio.sleep(pause)
                await _ask(client, seen, "GET", address)


async def _ask(
    client: httpx.AsyncClient, seen: Seen, method: str, address: str, **more: object
) -> httpx.Response | None:
    try:
        answer = await client.request(method, address, **more)  # type: ignore[arg-type]
    except httpx.TransportError as error:
        seen.answers[f"{method} {type(error).__name__}"] += 1
        seen.faults.append(f"{method} {address}: {error!r}")
        return None
    seen.answers[f"{method} {answer.status_code}"] += 1
    if answer.status_code not in (200, 202, 429):
        seen.faults.append(f"{method} {address}: {answer.status_code} {answer.text[:300]}")
    return answer


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def _growth(series: list[float]) -> float:
    third = len(series) // 3
    if not third:
        return float("nan")
    return statistics.median(series[-third:]) - statistics.median(series[:third])


if __name__ == "__main__":
    main()
