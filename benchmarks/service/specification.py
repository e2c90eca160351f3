"""Schemathesis over the whole specification: no 5xx, no answer that `openapi.yaml` does not describe.

    pip install '.[acceptance]'
    python benchmarks/service/specification.py --examples 100

It reads the specification from a service that is started for it, makes requests from it, good ones and bad
ones, and holds every answer against it. The seed makes a run repeatable.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from running import RunningService, parser, report

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
    with TemporaryDirectory() as folder, RunningService(settings) as service:
        service.wait_until_ready()
        junit = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"]
        command += ["--checks", ",".join(options.checks), "--max-examples", str(options.examples)]
        command += ["--phases", options.phases, "--seed", str(options.seed), "--request-timeout", "60"]
        command += ["--generation-deterministic", "--no-color"]
        command += ["--report", "junit", "--report-junit-path", str(junit), "--continue-on-failure"]
        run = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=options.minutes * 60
        )
        print(run.stdout[-options.tail :], run.stderr[-2000:], flush=True)
        still_ready, log = service.ready(), service.log_text(10**7)
    cases = re.search(r"(\d+) generated", run.stdout)
    report(
        options.out,
        {"examples": options.examples, "seed": options.seed, "exit": run.returncode, "ready": still_ready},
        ["requests made", "schemathesis says", "traces in the log", "ready afterwards"],
        [
            [
                cases[1] if cases else "?",
                "no failure" if run.returncode == 0 else "failures, above",
                log.count("Traceback"),
                "yes" if still_ready else "no",
            ]
        ],
    )
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:3000], file=sys.stderr)
    sys.exit(run.returncode != 0 or not still_ready or "Traceback" in log)


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "specification")
    arguments.add_argument("--examples", type=int, default=100, help="requests an operation, at most")
    arguments.add_argument("--phases", default="examples,coverage,fuzzing", help="of schemathesis")
    arguments.add_argument("--checks", nargs="*", choices=_CHECKS, default=list(_CHECKS))
    arguments.add_argument("--minutes", type=float, default=60, help="at most")
    arguments.add_argument("--tail", type=int, default=20_000, help="characters of its report to show")
    arguments.add_argument("--seed", type=int, default=0)
    return arguments.parse_args()


if __name__ == "__main__":
    main()
