"""How long `cs3 service start` takes until it is ready: the model loaded and warm.

    python benchmarks/service/ready.py --starts 5

The first start of a machine also reads the libraries from the disk. The processor's time tells how much of
the time is work; the rest is waiting for whoever else uses the machine.
"""

from __future__ import annotations

import statistics
import sys

from running import RunningService, parser, report

GOAL = 15.0  # seconds


def main() -> None:
    """Start it, time it, again."""
    arguments = parser(__doc__, "ready")
    arguments.add_argument("--starts", type=int, default=5)
    arguments.add_argument("--model", default="tiny")
    options = arguments.parse_args()
    waited, worked = [], []
    for number in range(1, options.starts + 1):
        with RunningService({"MODEL": options.model}) as service:
            waited.append(service.wait_until_ready())
            worked.append(service.processor_seconds())
        print(f"start {number}: ready after {waited[-1]:.1f} s, {worked[-1]:.1f} s of processor", flush=True)
    median = statistics.median(waited)
    report(
        options.out,
        {"model": options.model, "seconds": waited, "processor_seconds": worked},
        ["starts", "median until ready", "longest", "processor's time, median", f"under {GOAL:g} s"],
        [
            [
                options.starts,
                f"{median:.1f} s",
                f"{max(waited):.1f} s",
                f"{statistics.median(worked):.1f} s",
                "yes" if median < GOAL else "no",
            ]
        ],
    )
    sys.exit(median >= GOAL)


if __name__ == "__main__":
    main()
