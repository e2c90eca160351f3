"""SIGKILL of API, worker, both and all, and the database away, at random moments over many images.

    python benchmarks/service/kill.py --images 200
    python benchmarks/service/kill.py --images 200 --database-url postgresql://user:password@127.0.0.1/empty

Clients submit jobs and try again, with the same `Idempotency-Key`, when the connection breaks. Meanwhile
processes are killed after a random number of finished images and a random part of an image's time; what the
supervisor cannot start again, for it was killed itself, is started again as an operator would. With
PostgreSQL the connections are ended by the server; with SQLite the database is locked for some seconds.

At the end each image must be in its job's results once, as it was sent, with the result that an undisturbed
service gave for the same picture, and its success must have been told once; and no job may be there twice.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from running import RunningService, as_png, pages_of, parser, pictures, report, wait_for

_PICTURES = 4  # different ones; files of the same picture differ in a comment
_TARGETS = [("worker",), ("api",), ("api", "worker"), ("database",), ("supervisor",)]
_LOCKED = 4.0  # seconds that SQLite is locked


@dataclass
class Plan:
    """What is sent: for each job its key and its files."""

    jobs: list[tuple[str, list[bytes]]]
    ids: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Send, kill, compare."""
    options = _options()
    chance = random.Random(options.seed)
    plan, expected_of = _plan(options)
    settings = {
        "LEASE_SECONDS": "5",
        "MAX_ATTEMPTS": "10",  # an image over which workers die again and again is no suspect here
        "WORKER_NICENESS": "0",
        "DEVICE": options.device,
    }
    with RunningService(settings, options.database_url) as service:
        service.wait_until_ready()
        undisturbed, an_image = _undisturbed(service, options)
        print(f"ready; an image takes {an_image:.1f} s", flush=True)
        until = time.monotonic() + options.minutes * 60
        senders = [
            threading.Thread(target=_send, args=(service, key, files, options.config, plan, until))
            for key, files in plan.jobs
        ]
        for sender in senders:
            sender.start()
        kills = _kill(service, options, chance, plan, an_image, until)
        for sender in senders:
            sender.join()
        print("no more kills; waiting for the last image", flush=True)
        wait_for(lambda: _done(service, plan)[0] >= options.images, options.patience * 60, 0.5)
        wrong, found = _compare(service, plan, expected_of, undisturbed)
    total = sum(kills.values())
    told = ", ".join(f"{count} {what}" for what, count in sorted(kills.items()))
    report(
        options.out,
        {"images": options.images, "kills": kills, "wrong": wrong, "seed": options.seed}
        | {"database": "PostgreSQL" if options.database_url else "SQLite", "found": found},
        ["images", "kills", "of", "images done once", "lost", "done twice", "other faults"],
        [
            [
                options.images,
                total,
                told,
                found["once"],
                found["lost"],
                found["twice"],
                len(wrong),
            ]
        ],
    )
    for one in wrong:
        print(f"WRONG: {one}", file=sys.stderr)
    sys.exit(bool(wrong))


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "kill")
    arguments.add_argument("--images", type=int, default=200)
    arguments.add_argument("--job", type=int, default=20, help="images in a job")
    arguments.add_argument("--kills", type=int, default=40, help="at most")
    arguments.add_argument("--minutes", type=float, default=60, help="until no more is killed or sent")
    arguments.add_argument("--patience", type=float, default=60, help="minutes for what is left then")
    arguments.add_argument("--width", type=int, default=320)
    arguments.add_argument("--height", type=int, default=260)
    arguments.add_argument(
        "--config", default="{}", help="JSON, of the segmentation: what does less is done sooner"
    )
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--database-url", help="an empty PostgreSQL database  [default: SQLite]")
    arguments.add_argument("--seed", type=int, default=0)
    return arguments.parse_args()


def _plan(options: argparse.Namespace) -> tuple[Plan, dict[str, int]]:
    """The jobs, and for each file's SHA-256 the number of its picture."""
    drawn = pictures(_PICTURES, options.width, options.height)
    files = [as_png(drawn[n % _PICTURES], f"file {n} of seed {options.seed}") for n in range(options.images)]
    picture_of = {sha256(content).hexdigest(): n % _PICTURES for n, content in enumerate(files)}
    batches = [files[start : start + options.job] for start in range(0, len(files), options.job)]
    return Plan([(f"kill-{options.seed}-{n}", batch) for n, batch in enumerate(batches)]), picture_of


def _undisturbed(service: RunningService, options: argparse.Namespace) -> tuple[list[Any], float]:
    """What the service says of each picture while nobody harms it, and the seconds that one takes."""
    results, began = [], time.monotonic()
    with httpx.Client(base_url=service.url, timeout=600) as client:
        for picture in pictures(_PICTURES, options.width, options.height):
            answer = client.post(
                "/v1/segmentations", files={"image": as_png(picture)}, data={"config": options.config}
            ).raise_for_status()
            results.append(answer.json()["sperm"])
    return results, (time.monotonic() - began) / _PICTURES


def _send(
    service: RunningService, key: str, files: list[bytes], config: str, plan: Plan, until: float
) -> None:
    """Submit a job, as often as it takes."""
    form = [("images", (f"{n:03d}.png", content, "image/png")) for n, content in enumerate(files, 1)]
    while time.monotonic() < until:
        try:
            answer = httpx.post(
                f"{service.url}/v1/jobs",
                files=form,
                data={"config": config},
                headers={"Idempotency-Key": key},
                timeout=60,
            )
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        if answer.status_code == 202:
            plan.ids[key] = answer.json()["id"]
            return
        if answer.status_code not in (429, 503):
            raise SystemExit(f"expected 202, 429 or 503, found {answer.status_code}: {answer.text}")
        time.sleep(min(5, int(answer.headers["Retry-After"])))


def _done(service: RunningService, plan: Plan) -> tuple[int, bool]:
    """Images that have ended, as far as the service can be asked."""
    total = 0
    for job_id in list(plan.ids.values()):
        try:
            counts = httpx.get(f"{service.url}/v1/jobs/{job_id}", timeout=10).json()["counts"]
        except (httpx.HTTPError, KeyError, ValueError):
            return 0, False
        total += counts["succeeded"] + counts["failed"]
    return total, True


def _kill(
    service: RunningService,
    options: argparse.Namespace,
    chance: random.Random,
    plan: Plan,
    an_image: float,
    until: float,
) -> Counter[str]:
    """Kill now and then, until enough was killed or everything is done."""
    kills: Counter[str] = Counter()
    harm = _terminate_connections(options.database_url) if options.database_url else _lock(service)
    step = options.images / (options.kills + 1)
    mark = 0.0
    while sum(kills.values()) < options.kills and time.monotonic() < until:
        mark += chance.uniform(0, 2 * step)
        if mark >= options.images:
            break
        wait_for(lambda mark=mark: _done(service, plan)[0] >= mark, until - time.monotonic(), 0.1)  # type: ignore[misc]
        time.sleep(chance.uniform(0, an_image))
        targets = _TARGETS[sum(kills.values()) % len(_TARGETS)]
        name = " and ".join(targets)
        if targets == ("database",):
            harm()
        elif not wait_for(lambda targets=targets: service.kill(*targets), 60, 0.05):  # type: ignore[misc]
            continue
        kills[name] += 1
        print(f"{_done(service, plan)[0]:4d} images done; killed: {name}", flush=True)
        if "supervisor" in targets:
            time.sleep(chance.uniform(0, 3))
            service.start()
    return kills


def _lock(service: RunningService) -> Callable[[], None]:
    def harm() -> None:
        with closing(sqlite3.connect(service.data / "service.sqlite", timeout=30)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(_LOCKED)
            connection.execute("ROLLBACK")

    return harm


def _terminate_connections(url: str) -> Callable[[], None]:
    """Ends all connections but its own, as `pg_terminate_backend` does."""
    import pg8000.native  # noqa: PLC0415  only for PostgreSQL

    parts = urlsplit(url)

    def harm() -> None:
        connection = pg8000.native.Connection(
            unquote(parts.username or ""),
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 5432,
            database=parts.path.lstrip("/"),
            password=unquote(parts.password) if parts.password else None,
        )
        try:
            connection.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            connection.close()

    return harm


def _compare(
    service: RunningService, plan: Plan, picture_of: dict[str, int], undisturbed: list[Any]
) -> tuple[list[str], dict[str, int]]:
    """Everything that is not as it should be, and what was counted."""
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    service.wait_until_ready()
    with httpx.Client(base_url=service.url, timeout=120) as client:
        for key, files in plan.jobs:
            job_id = plan.ids.get(key)
            if job_id is None:
                wrong.append(f"{key}: was never accepted")
                continue
            wrong += [
                f"{key}: {one}" for one in _faults(client, job_id, files, picture_of, undisturbed, seen)
            ]
        named = [job["id"] for job in pages_of(client, "/v1/jobs", "jobs") if job["kind"] == "job"]
        if sorted(named) != sorted(plan.ids.values()):
            wrong.append(f"expected {len(plan.ids)} jobs, found {len(named)}")
    once = sum(seen[one] == 1 for one in picture_of)
    lost = sum(seen[one] == 0 for one in picture_of)
    twice = sum(seen[one] > 1 for one in picture_of)
    if lost or twice:
        wrong.append(f"{lost} images lost, {twice} done twice")
    files_kept = len(list((service.data / "blobs").glob("jobs/*/results/*.json.gz")))
    return wrong, {"once": once, "lost": lost, "twice": twice, "result_files": files_kept}


def _faults(
    client: httpx.Client,
    job_id: str,
    files: list[bytes],
    picture_of: dict[str, int],
    undisturbed: list[Any],
    seen: Counter[str],
) -> list[str]:
    wrong = []
    job = client.get(f"/v1/jobs/{job_id}").json()
    if (job["state"], job["counts"]["succeeded"]) != ("succeeded", len(files)):
        wrong.append(f"{job['state']}, {job['counts']}, {[i['error'] for i in job['images'] if i['error']]}")
    lines = [json.loads(line) for line in client.get(f"/v1/jobs/{job_id}/results").text.splitlines()]
    if [line["number"] for line in lines] != list(range(1, len(files) + 1)):
        wrong.append(f"results of numbers {[line['number'] for line in lines]}")
    for line in lines:
        sent = sha256(files[line["number"] - 1]).hexdigest()
        if line.get("image_sha256") != sent:
            wrong.append(f"result {line['number']} is of another image: {line.get('error')}")
            continue
        seen[sent] += 1
        if line["sperm"] != undisturbed[picture_of[sent]]:
            wrong.append(f"result {line['number']} differs from that of an undisturbed service")
    if job["finished_at"] is not None:
        told = client.get(f"/v1/jobs/{job_id}/events").text
        successes = Counter(
            event["number"]
            for event in map(json.loads, (one[6:] for one in told.splitlines() if one.startswith("data: ")))
            if "number" in event and event["state"] == "succeeded"
        )
        if successes != Counter(range(1, len(files) + 1)):
            wrong.append(f"successes told: {dict(successes)}")
    return wrong


if __name__ == "__main__":
    main()
