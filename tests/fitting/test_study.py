"""Weights of all kinds from candidates, what is printed, and the file that is written."""

import numpy as np
import pytest

from cascade.config import CS3Config
from cascade.fitting.candidates import KINDS, Candidate
from cascade.fitting.report import as_text, as_toml
from cascade.fitting.store import CandidateStore
from cascade.fitting.study import FITTED, study, table_of

CONFIG = CS3Config()
PAIRS = len(FITTED["pairs"].names())


def image(rng, count=30):
    """Candidates for which the second witness alone decides, weight 3."""
    found = {kind: [] for kind in KINDS}
    for kind in KINDS:
        width = {"at_junction": 7, "scores": PAIRS + 4, "pairs": PAIRS}.get(kind, 10)
        for _ in range(count):
            seen = np.concatenate([[1.0], rng.normal(0, 1, width - 1)])
            right = rng.random() < 1 / (1 + np.exp(-3 * seen[1]))
            found[kind].append(Candidate(seen.tolist(), bool(right)))
    return found


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [image(rng) for _ in range(40)]


def test_the_witness_that_decides_is_found(images):
    for one in study(images[:30], {"others": images[30:]}, CONFIG, ["at_junction", "across_gap", "pairs"]):
        assert one.fitted.weights[1] == pytest.approx(3, abs=0.5)
        assert np.abs(np.delete(one.fitted.weights, 1)).max() < 0.4
        assert np.nanargmax(one.without) == 1
        assert one.verdicts["others", "fitted"].log_loss < one.verdicts["others", "present"].log_loss
        assert one.verdicts["others", "fitted"].auc > 0.85


def test_gaps_are_fitted_to_links_and_joins_together(images):
    (one,) = study(images, {}, CONFIG, ["across_gap"])
    assert one.verdicts["learnt from", "present"].candidates == 2 * 30 * 40


def test_scores_rest_on_the_weights_of_pairs_at_hand(images):
    pairs = np.zeros(PAIRS)
    pairs[1] = 0.5
    table = table_of("scores", images, pairs)
    first = images[0]["scores"][0].witnesses
    assert table.witnesses[0, 1] == pytest.approx(0.5 * first[1])
    assert table.witnesses[0, 2:] == pytest.approx(first[PAIRS + 2 :])


def test_too_few_candidates_leave_the_weights_as_they_are(images):
    scarce = {kind: several[:15] for kind, several in images[0].items()}
    for few in ([], [scarce]):
        for one in study(few, {"others": images}, CONFIG, list(FITTED)):
            assert one.fitted is None
            assert (one.weights == one.before).all()
            assert "too few" in as_text([one])


def test_the_file_is_a_configuration_with_every_weight(images, tmp_path):
    done = study(images, {}, CONFIG, ["pairs"])
    path = tmp_path / "weights.toml"
    path.write_text(as_toml(done, CONFIG, ["Written by: cs3 fit pairs", "Learnt from 40 images."]))
    config = CS3Config.from_toml(path)
    assert config.matching.weights.vector == pytest.approx(done[0].weights, abs=0.006)
    assert config.changed(matching={"weights": {}}) == CONFIG
    assert path.read_text().count("= ") == 7 + 10 + 4 + PAIRS + 4
    assert "# Written by: cs3 fit pairs\n" in path.read_text()


def test_every_witness_is_printed(images):
    text = as_text(study(images, {"others": images}, CONFIG, list(FITTED)))
    for name, kind in FITTED.items():
        assert name in text
        assert all(f"  {witness} " in text for witness in kind.names())


def test_candidates_are_kept_for_the_same_image_and_settings_alone(images, tmp_path):
    store = CandidateStore(tmp_path, model="a")
    assert store.get("one") is None
    store.put("one", images[0])
    assert store.get("one") == images[0]
    assert store.get("two") is None
    assert CandidateStore(tmp_path, model="b").get("one") is None
    assert CandidateStore(None).get("one") is None
    for file in tmp_path.iterdir():
        file.write_bytes(b"damaged")
    assert store.get("one") is None
