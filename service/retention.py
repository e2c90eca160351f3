"""Deleting what has been kept long enough, and proving that it is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from service.audit import Note
from service.context import Service
from service.new_jobs import age_of
from service.tables import jobs

log = logging.getLogger("cs3.retention")

_DAY = 86400.0
_LOST = 6 * 3600.0  # seconds after which a body without a job is nobody's


class Retention:
    """Deletes images and results when their time is over. Every deletion is in the audit log, with hashes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def run(self) -> int:
        """Delete what is due; how many jobs that were."""
        settings, store = self._service.settings, self._service.store
        done = self._delete("results", settings.result_retention_days, store.purge)
        done += self._delete("images", settings.image_retention_days, store.delete_images)
        for key in self.left_over():  # of requests and workers that died in the middle
            self._service.blobs.remove(key)
        if settings.audit_retention_days is not None:
            self._service.audit.forget(store.moment() - settings.audit_retention_days * _DAY)
        return done

    def _delete(self, what: str, days: float | None, delete: Callable[[str], list[str]]) -> int:
        if days is None:
            return 0
        store, count = self._service.store, 0
        while due := store.finished_before(store.moment() - days * _DAY, what):
            for job_id in due:
                gone = delete(job_id)
                detail = {"what": what, "after_days": days, "sha256": gone}
                self._service.audit.write([Note("retention", "", f"delete {what} {job_id}", 200, "", detail)])
                count += 1
        if count:
            log.info("deleted the %s of %d jobs", what, count)
        return count

    def left_over(self) -> list[str]:
        """Blobs that should be gone: of what was deleted, or of no job at all. An empty list is the proof."""
        query = select(jobs.c.id, jobs.c.images_deleted_at, jobs.c.deleted_at)
        known = {row.id: row for row in self._service.store.run(lambda c: c.execute(query).all())}
        return [key for key in self._service.blobs.list("jobs") if _is_left_over(key, known)]


def _is_left_over(key: str, known: Mapping[str, Any]) -> bool:
    _, job_id, folder, *_ = [*key.split("/"), "", ""]
    job = known.get(job_id)
    if job is None:  # a request that is still being received has no job yet
        return age_of(job_id) > _LOST
    shown = folder in ("images", "pictures") and job.images_deleted_at is not None
    return shown or job.deleted_at is not None
