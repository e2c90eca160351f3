"""What goes wrong, as `application/problem+json` (RFC 9457), never with anything of the server's own."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from cascade.errors import OutputError
from service.schemas import InvalidField, Problem
from service.store import NoSuchJobError

log = logging.getLogger("cs3.api")

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """A request that cannot be served.

    Args:
        status: of the answer.
        kind: the last word of the problem's type.
        detail: what was wrong: expected what, found what.
        action: what to do.
        errors: each field that is wrong.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        action: str,
        errors: Sequence[InvalidField] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.action = status, kind, detail, action
        self.errors = list(errors)
        self.headers = dict(headers or {})


def not_found(what: str) -> ProblemError:
    """404."""
    return ProblemError(
        404,
        "not-found",
        f"There is no {what} here.",
        "Check the address; what was deleted does not come back.",
    )


def invalid(field: str, message: str) -> ProblemError:
    """422 of one field."""
    return ProblemError(
        422,
        "invalid",
        f"{field}: {message}",
        "Correct the field and send the request again.",
        [InvalidField(field=field, message=message)],
    )


def too_large(detail: str, action: str) -> ProblemError:
    """413."""
    return ProblemError(413, "too-large", detail, action, headers={"Connection": "close"})


def busy(detail: str, seconds: float) -> ProblemError:
    """429 with Retry-After, up to half as long again, lest those refused together come back together."""
    after = max(1, round(seconds * random.uniform(1, 1.5)))
    action = f"Send the request again in {after} s."
    return ProblemError(429, "busy", detail, action, headers={"Retry-After": str(after)})


def unavailable(detail: str, seconds: float = 5) -> ProblemError:
    """503 with Retry-After."""
    after = max(1, round(seconds))
    action = f"Send the request again in {after} s."
    return ProblemError(503, "unavailable", detail, action, headers={"Retry-After": str(after)})


def answer(request: Request, problem: ProblemError) -> Response:
    """The problem as a response."""
    body = body_of(problem, getattr(request.state, "request_id", "unknown"))
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def body_of(problem: ProblemError, request_id: str) -> bytes:
    """The problem as RFC 9457 writes it."""
    told = Problem(
        type=f"urn:cs3:problem:{problem.kind}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        action=problem.action,
        instance=f"urn:cs3:request:{request_id}",
        errors=problem.errors,
    )
    return told.model_dump_json().encode()


Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Let every error of an application be answered as a problem."""

    def on(kind: type[Exception], translate: Callable[[Any], ProblemError]) -> None:
        async def handle(request: Request, error: Exception) -> Response:
            return answer(request, translate(error))

        app.add_exception_handler(kind, handle)

    on(ProblemError, lambda error: error)
    on(RequestValidationError, _of_validation)
    on(HTTPException, _of_http)
    on(NoSuchJobError, lambda _: not_found("job"))
    on(SQLAlchemyError, _of_database)
    on(OutputError, _of_storage)
    on(Exception, _of_surprise)


def _of_validation(error: RequestValidationError) -> ProblemError:
    fields = [
        InvalidField(field=".".join(str(part) for part in one["loc"]), message=str(one["msg"]))
        for one in error.errors()
    ]
    found = "; ".join(f"{one.field}: {one.message}" for one in fields[:5])
    return ProblemError(
        422, "invalid", found or "The request is not valid.", "Correct the fields and send it again.", fields
    )


def _of_http(error: HTTPException) -> ProblemError:
    if error.status_code == 404:
        return not_found("page")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"This address does not take this method{f'; it takes {allowed}' if allowed else ''}."
        return ProblemError(
            405, "method-not-allowed", detail, "Use one of those methods.", headers=error.headers
        )
    return ProblemError(
        error.status_code, "refused", "The request cannot be understood.", "Check it against openapi.yaml."
    )


def _of_database(error: SQLAlchemyError) -> ProblemError:
    log.error("database: %s", error)
    return unavailable("The service's database cannot be reached at the moment.")


def _of_storage(error: OutputError) -> ProblemError:
    log.error("storage: %s", error)
    return unavailable("The service cannot keep files at the moment.", 30)


def _of_surprise(error: Exception) -> ProblemError:
    log.error("unexpected", exc_info=error)
    return ProblemError(
        500,
        "unexpected",
        "The service met a fault of its own.",
        "Send the request again; if it fails again, tell who runs the service the instance below.",
    )
