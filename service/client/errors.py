"""What can go wrong between a client and the service, by name."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from cascade.errors import CS3Error
from service.schemas import Problem


class ServiceError(CS3Error):
    """Base of everything that the client raises."""


class UnreachableError(ServiceError):
    """The service could not be reached, or broke off, as often as it was tried."""


class ProblemError(ServiceError):
    """The service refused, and said why.

    Attributes:
        problem: in its own words (RFC 9457).
    """

    def __init__(self, problem: Problem) -> None:
        lines = (f"{one.field}: {one.message}" for one in problem.errors)
        fields = "; ".join(line for line in lines if line not in problem.detail)
        said = " ".join(text for text in (problem.detail, fields, problem.action) if text)
        super().__init__(f"{problem.title}: {said}")
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status


class ImageFailedError(ServiceError):
    """The service took the image and could not segment it."""


def problem_of(response: httpx.Response) -> Problem:
    """What a refusal says; a proxy's refusal, which says nothing of the kind, is put into words."""
    try:
        return Problem.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        return Problem(
            type="about:blank",
            title=f"HTTP {response.status_code} {response.reason_phrase}".rstrip(),
            status=response.status_code,
            detail=f"Expected an answer of CS3 at {response.url.copy_with(query=None)}, found another.",
            action="Check the service's address, and what stands between.",
            instance="",
        )
