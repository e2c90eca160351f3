import json

import numpy as np
import pytest
from drawn_smears import SHAPE, ColourModel, smear

from cascade.config import CS3Config
from cascade.costs.trials import TrialStore, Variant, run_trial
from cascade.errors import OutputError
from cascade.pipeline import segment

DEFAULT = Variant("default", CS3Config())


@pytest.fixture(scope="module")
def trial():
    return run_trial(DEFAULT, smear(), ColourModel())


def test_trial_counts_what_is_found_and_asked(trial):
    assert trial.shape == SHAPE
    assert (trial.heads, trial.tails, trial.complete) == (3, 4, 3)  # the fourth tail is the stray one
    assert trial.seconds >= sum(trial.stages.values()) - 0.001
    assert len(trial.annotations) == 3 + 4
    model = ColourModel()
    result = segment(smear(), model=model)
    assert list(trial.stages) == list(result.seconds)
    assert (trial.encodings, trial.batches) == (model.encoded, len(model.asked))
    assert trial.head_prompts == sum(count for part, count in model.asked if part == "head") >= 3
    assert trial.tail_prompts == sum(count for part, count in model.asked if part == "tail") >= 4


def test_blank_field():
    trial = run_trial(DEFAULT, np.full((*SHAPE, 3), 240, np.uint8), ColourModel())
    assert (trial.annotations, trial.heads, trial.tails) == ([], 0, 0)


def test_store_gives_back_what_was_put(trial, tmp_path):
    store = TrialStore(tmp_path / "trials", {"model": "m"})
    assert store.get(DEFAULT, "i" * 64) is None
    store.put(DEFAULT, "i" * 64, trial)
    assert store.get(DEFAULT, "i" * 64) == trial


def test_store_tells_apart_what_matters_and_nothing_else(trial, tmp_path):
    store = TrialStore(tmp_path, {"model": "m"})
    store.put(DEFAULT, "i" * 64, trial)
    assert store.get(Variant("another name", CS3Config()), "i" * 64) == trial
    assert store.get(DEFAULT, "j" * 64) is None
    assert store.get(Variant("default", CS3Config.paper()), "i" * 64) is None
    assert TrialStore(tmp_path, {"model": "n"}).get(DEFAULT, "i" * 64) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"shape": 3}', b"\xff"])
def test_damaged_trial_counts_as_missing(trial, tmp_path, content):
    store = TrialStore(tmp_path, {})
    store.put(DEFAULT, "i" * 64, trial)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_bytes())["heads"] == 3
    file.write_bytes(content)
    assert store.get(DEFAULT, "i" * 64) is None


def test_store_says_where_it_cannot_write(trial, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        TrialStore(tmp_path / "file", {}).put(DEFAULT, "i" * 64, trial)
