"""Schemathesis over the whole specification: no 5xx, no answer that `openapi.yaml` does not describe.

    pip install '.[acceptance]'
    python benchmarks/service/specification.py --examples 100

It reads the specification from a service that is started for it, makes requests from it, good ones and bad
ones, and holds every answer against it. Further rounds are about a job and a benchmark that exist, so that
what needs one is reached. Runs are repeatable.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from running import RunningService, as_png, parser, pictures, report, wait_for

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def main() -> None:
    """Start the service, let schemathesis at it."""
    options = _options()
    settings = {"ANSWER_TIMEOUT": "2", "MAX_QUEUE": "100000", "WORKER_NICENESS": "0"}
    rows, codes = [], []
    with TemporaryDirectory() as folder, RunningService(settings) as service:
        service.wait_until_ready()
        config = Path(folder) / "schemathesis.toml"
        job_id = _a_job(service.url)
        benchmark_id = _a_benchmark(service.url, job_id)
        for name, text, more in (
            ("whatever is made up", "", []),
            ("a job that exists", _existing(job_id), ["--exclude-operation-id", "delete_job"]),
            ("a benchmark that exists", _existing(benchmark_id), ["--include-operation-id", "get_benchmark"]),
        ):
            config.write_text(text, "utf-8")
            run = _run(service.url, config, options, more)
            print(run.stdout[-options.tail :], run.stderr[-2000:], flush=True)
            cases = re.search(r"(\d+) generated", run.stdout)
            codes.append(run.returncode)
            rows.append(
                [name, cases[1] if cases else "?", "no failure" if run.returncode == 0 else "failures, above"]
            )
        still_ready, log = service.ready(), service.log_text(10**7)
    report(
        options.out,
        {
            "examples": options.examples,
            "rounds": rows,
            "ready": still_ready,
            "traces": log.count("Traceback"),
        },
        ["about", "requests", "schemathesis says"],
        rows,
    )
    print(
        f"Afterwards: {'ready' if still_ready else 'NOT READY'}; traces in the log: {log.count('Traceback')}"
    )
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:3000], file=sys.stderr)
    sys.exit(any(codes) or not still_ready or "Traceback" in log)


def _a_job(url: str) -> str:
    """A job that has succeeded, with an image in which there are sperm."""
    with httpx.Client(base_url=url, timeout=300) as client:
        image = as_png(pictures(1, 320, 260)[0])
        job = client.post("/v1/jobs", files={"images": image}).raise_for_status().json()
        client.get(f"/v1/jobs/{job['id']}/results", params={"wait": "true"}).raise_for_status()
    return str(job["id"])


def _a_benchmark(url: str, job_id: str) -> str:
    """A benchmark that has succeeded: what was found in the job's image, scored against itself."""
    with httpx.Client(base_url=url, timeout=300) as client:
        found = client.get(f"/v1/jobs/{job_id}/results", params={"format": "coco"}).raise_for_status().content
        files = [("truths", ("expert.json", found)), ("prediction", ("found.json", found))]
        job = client.post("/v1/benchmarks", files=files).raise_for_status().json()
        address = f"/v1/benchmarks/{job['id']}"
        if not wait_for(lambda: client.get(address).status_code == 200, 300):
            raise SystemExit(f"expected a benchmark that succeeds, found: {client.get(address).text}")
    return str(job["id"])


def _existing(job_id: str) -> str:
    return f'[parameters]\n"path.job_id" = "{job_id}"\n"path.number" = 1\n"path.sperm_id" = 1\n'


def _run(
    url: str, config: Path, options: argparse.Namespace, more: list[str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    command += ["run", f"{url}/openapi.json", "--checks", ",".join(options.checks), *more]
    command += ["--max-examples", str(options.examples), "--phases", options.phases]
    command += [
        "--request-timeout",
        "60",
        "--generation-deterministic",
        "--no-color",
        "--continue-on-failure",
    ]
    most = options.minutes * 60
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=most)


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "specification")
    arguments.add_argument("--examples", type=int, default=100, help="requests an operation, at most")
    arguments.add_argument("--phases", default="examples,coverage,fuzzing", help="of schemathesis")
    arguments.add_argument("--checks", nargs="*", choices=_CHECKS, default=list(_CHECKS))
    arguments.add_argument("--minutes", type=float, default=60, help="a round, at most")
    arguments.add_argument("--tail", type=int, default=20_000, help="characters of its report to show")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
