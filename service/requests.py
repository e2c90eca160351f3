"""What a form or a query may say, checked before anything is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cascade.errors import ConfigError
from cascade.images import is_known_format
from service import documents
from service.errors import ProblemError, invalid
from service.schemas import InvalidField
from service.uploads import ReceivedFile


class SegmentationFields(BaseModel):
    """How to segment."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    pixel_size_um: float | None = Field(None, ge=0.001, le=100)
    """µm a pixel; otherwise as the image files state it."""
    preset: Literal["default", "paper"] = "default"
    """The configuration to start from."""
    config: str | None = Field(None, max_length=100_000)
    """JSON: what differs from the preset, as `/v1/config/schema` describes it."""


class JobFields(SegmentationFields):
    """What a job is called, and how to segment."""

    name: str = Field("", max_length=200)
    """To find the job again."""


F = TypeVar("F", bound=SegmentationFields)


def settings_of(fields: SegmentationFields) -> dict[str, Any]:
    """The settings of a job.

    Raises:
        ProblemError: the config is not JSON, has an unknown key, or a value out of range.
    """
    config: Any = {}
    if fields.config:
        try:
            config = json.loads(fields.config, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, ValueError) else "too deeply nested"
            raise invalid("config", f"expected JSON, found other text ({why})") from None
        if not isinstance(config, dict):
            raise invalid("config", f"expected a JSON object of stages, found {type(config).__name__}")
    settings = {"pixel_size_um": fields.pixel_size_um, "preset": fields.preset, "config": config}
    try:
        documents.configuration(settings)
    except ConfigError as error:
        lines = [line.partition(": ") for line in str(error).split("; ")]
        errors = [InvalidField(field=f"config.{name}", message=text) for name, _, text in lines]
        raise ProblemError(
            422, "invalid", f"config: {error}", "See /v1/config/schema for names and ranges.", errors
        ) from None
    return settings


def parse_fields(kind: type[F], values: Mapping[str, str]) -> F:
    """Text fields of a form.

    Raises:
        ProblemError: an unknown field, or a value of the wrong kind or out of range.
    """
    try:
        found = kind.model_validate({name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        errors = [
            InvalidField(field=".".join(map(str, one["loc"])), message=one["msg"])
            for one in error.errors(include_url=False, include_context=False)
        ]
        said = "; ".join(f"{one.field}: {one.message}" for one in errors[:5])
        raise ProblemError(422, "invalid", said, "Correct the fields and send them again.", errors) from None
    if found.pixel_size_um is not None and not math.isfinite(found.pixel_size_um):
        raise invalid("pixel_size_um", "expected a finite number")
    return found


def check_images(files: list[ReceivedFile], field: str, skipped: int) -> None:
    """At least one file that begins like an image; what is wrong with others is told image by image.

    Raises:
        ProblemError: otherwise.
    """
    if not files:
        beside = f", and {skipped} entries of the zip that are none" if skipped else ""
        raise invalid(field, f"expected at least one image file, found none{beside}")
    if len(files) == 1 and not files[0].length:
        raise invalid(field, "expected an image, found an empty file; copy it again from its source")
    if not any(is_known_format(file.magic) for file in files):
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"{field}: Expected PNG, JPEG, TIFF or BMP, found other formats only.",
            "Save the image as PNG or TIFF and send it again.",
        )


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
