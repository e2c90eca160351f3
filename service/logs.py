"""The log: lines on the error stream, saying when, who and what."""

from __future__ import annotations

import logging


def set_up_log(level: str) -> None:
    """Log from this level on."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=level.upper())
    for talkative in ("uvicorn.access", "httpx"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # of lost connections others speak
