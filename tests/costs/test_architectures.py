import os
from dataclasses import replace

import pytest
from drawn_smears import ColourModel, smear

from cascade.costs.architectures import (
    Cost,
    Field,
    as_document,
    as_markdown,
    cost_of,
    in_own_process,
    run_architectures,
)
from cascade.errors import CS3Error

FIELD = Field(3, (240, 360), 18.0)
COST = Cost({"heads": 1.0, "tails": 22.25}, 24.0, 45.5, 2.0, 5, 30, 8, 2, 3 * 2**29, None)


def test_cost_of_a_model():
    model = ColourModel()
    cost = cost_of(model, smear())
    assert (cost.sperm, cost.complete) == (4, 3)
    assert (cost.encodings, cost.prompts) == (model.encoded, sum(count for _, count in model.asked))
    assert {"preprocess", "heads", "tails", "knots", "matching", "instances"} <= set(cost.stages)
    assert cost.seconds >= sum(cost.stages.values()) - 0.001
    assert cost.processor_seconds > 0


def test_a_failure_does_not_stop_the_others():
    told = []

    def measure(name, field, device):
        assert (field, device) == (FIELD, "cpu")
        if name == "vit_h":
            raise CS3Error("no memory")
        return COST

    entries = run_architectures(["vit_h", "vit_b"], FIELD, "cpu", measure, told.append)
    assert told == ["vit_h", "vit_b"]
    assert entries[0] == {"architecture": "vit_h", "error": "no memory"}
    assert (entries[1]["architecture"], entries[1]["error"], entries[1]["prompts"]) == ("vit_b", None, 30)


def rows(*entries):
    return as_markdown(as_document(entries, FIELD, "CPU")).splitlines()


def test_markdown():
    entry = run_architectures(["vit_b"], FIELD, "cpu", lambda *_: COST, str)[0]
    lines = rows(entry, {"architecture": "vit_h", "error": "no memory"})
    assert lines[0] == "One synthetic smear of 360×240 px (seed 3, heads of 18 px) on CPU."
    cells = [cell.strip() for cell in lines[-3].strip("|").split("|")]
    assert cells == ["vit_b", "1.00", "22.25", "24.0", "45.5", "5", "30", "2 of 8", "1.50", "–"]
    assert lines[-1] == "`vit_h`: no memory"


def test_markdown_with_gpu_memory():
    on_gpu = replace(COST, peak_gpu_memory_bytes=2**30)
    entry = run_architectures(["vit_b"], FIELD, "cuda", lambda *_: on_gpu, str)[0]
    assert rows(entry)[-1].endswith(" 1.00 |")


def test_markdown_of_failures_alone():
    assert rows({"architecture": "vit_h", "error": "no memory"})[-1] == "`vit_h`: no memory"


def test_runs_in_a_process_of_its_own():
    assert in_own_process(os.getpid) != os.getpid()


def test_errors_come_through():
    with pytest.raises(FileNotFoundError):
        in_own_process(os.listdir, "/no such folder")


def test_a_killed_process_is_an_error():
    with pytest.raises(CS3Error, match="for want of memory"):
        in_own_process(os._exit, 9)
