"""`openapi.yaml` says what the service does, and is the one that the code makes."""

from pathlib import Path

import pytest
import yaml

from service.openapi import as_yaml

FILE = Path(__file__).parents[2] / "openapi.yaml"


@pytest.fixture(scope="module")
def described():
    return yaml.safe_load(FILE.read_text("utf-8"))


def test_the_file_is_current():
    assert FILE.read_text("utf-8") == as_yaml(), "run: cs3 service openapi --out openapi.yaml"


def test_every_problem_is_declared_as_one(described):
    assert described["openapi"].startswith("3.1")
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)
            if path.startswith("/v1/") and path != "/v1/access":
                assert {"401", "403", "503"} <= set(operation["responses"]), path


def test_every_reference_leads_somewhere(described):
    names = described["components"]["schemas"]
    text = FILE.read_text("utf-8")
    wanted = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted <= set(names)
    assert {"Segmentation", "Job", "Problem", "ImageEvent", "JobEvent"} <= set(names)
