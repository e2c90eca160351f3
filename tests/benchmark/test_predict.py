"""Methods × images → predictions, kept and taken over."""

import json

import numpy as np
import pytest
from drawn_methods import Colours, silent
from drawn_smears import SHAPE, write_data

from cascade.benchmark.annotations import read_annotations
from cascade.benchmark.methods import Participant
from cascade.benchmark.predict import predict_all
from cascade.benchmark.predictions import Prediction, PredictionStore, annotate
from cascade.comparators.protocol import FoundSperm
from cascade.errors import CS3Error, ImageError, OutputError
from cascade.types import Region


@pytest.fixture
def images(tmp_path):
    folder = write_data(tmp_path / "data") / "images"
    return {path.name: path for path in sorted(folder.iterdir())}


def predict(method, images, out, device="paper", watch=silent):
    (predicted,) = predict_all([Participant(method.name, method)], images, out, device, watch)
    return predicted


def test_predictions_are_written_as_coco(images, tmp_path):
    steps = []
    predicted = predict(Colours(), images, tmp_path / "out", watch=lambda *step: steps.append(step))
    assert predicted.file == tmp_path / "out/predictions/colours.coco.json"
    assert steps == [("colours", n, 3) for n in (1, 2, 3)]
    written = read_annotations(predicted.file)
    assert list(written) == list(images)
    assert [len(one.sperm()) for one in written.values()] == [3, 3, 3]
    assert set(predicted.seconds) == set(images)
    assert not predicted.failures


def test_resume_repeats_nothing_but_what_was_not_done(images, tmp_path):
    cut = Colours(fail_on=3, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(cut, images, tmp_path)
    again = Colours()
    predict(again, images, tmp_path)
    assert again.asked == 1
    for other in (Colours(shift=1), Colours("else")):
        predict(other, images, tmp_path)
        assert other.asked == 3
    elsewhere = Colours()
    predict(elsewhere, images, tmp_path, device="another")
    assert elsewhere.asked == 3


def test_other_content_under_the_same_name_is_predicted_anew(images, tmp_path):
    predict(Colours(), images, tmp_path)
    first, second = list(images)[:2]
    images[first].write_bytes(images[second].read_bytes())
    again = Colours()
    predict(again, images, tmp_path)
    assert again.asked == 0  # the content is known
    images[first].write_bytes(images[second].read_bytes() + b"\0")
    predict(again, images, tmp_path)
    assert again.asked == 1


def test_a_failure_counts_as_nothing_found_and_is_tried_again(images, tmp_path):
    predicted = predict(Colours(fail_on=2), images, tmp_path)
    (failed,) = predicted.failures
    assert predicted.failures[failed] == "ValueError: no luck"
    assert failed not in predicted.seconds
    assert read_annotations(predicted.file)[failed].sperm() == []
    again = Colours()
    assert not predict(again, images, tmp_path).failures
    assert again.asked == 1


def test_an_answer_of_another_kind_is_a_failure(images, tmp_path):
    class Wrong(Colours):
        def predict(self, image):
            return [np.zeros((3, 3))]

    failures = predict(Wrong(), images, tmp_path).failures
    assert len(failures) == 3
    assert "expected a list of FoundSperm, found a ndarray" in next(iter(failures.values()))


def test_a_bad_image_ends_it(images, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        predict(Colours(), images | {"bad.png": tmp_path / "bad.png"}, tmp_path / "out")


def test_predictions_made_elsewhere_are_copied(images, tmp_path):
    there = predict(Colours(), images, tmp_path / "there").file
    (there.parent / "sperm.csv").write_text("file_name\n")
    one = Participant("theirs", file=there)
    (predicted,) = predict_all([one], images, tmp_path / "out", "paper", silent)
    assert predicted.file.read_bytes() == there.read_bytes()
    assert predicted.table == there.parent / "sperm.csv"
    assert predict_all([Participant("theirs", file=predicted.file)], images, tmp_path / "out", "", silent)


def test_what_lies_outside_an_image_is_cut_off():
    half = FoundSperm({"head": Region(np.ones((4, 4), bool), -2, -2)}, 0.5)
    outside = FoundSperm({"head": Region(np.ones((4, 4), bool), 900, 0)}, 0.5)
    (entry,) = annotate([half, outside], SHAPE)
    assert (entry["area"], entry["score"], entry["sperm_id"]) == (4, 0.5, 1)
    with pytest.raises(CS3Error, match="found a str"):
        annotate("x", SHAPE)


@pytest.mark.parametrize("content", [b"", b"[]", b"\x1f\x8b", b"\xff"])
def test_a_damaged_record_counts_as_missing(tmp_path, content):
    store = PredictionStore(tmp_path, {})
    prediction = Prediction(SHAPE, [], 1.5)
    store.put("m", "i", prediction)
    assert store.get("m", "i") == prediction
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert store.get("m", "i") is None


def test_a_store_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        PredictionStore(tmp_path / "file", {}).put("m", "i", Prediction(SHAPE, [], 0.0))


def test_a_score_of_numpy_can_be_written(images, tmp_path):
    class Scored(Colours):
        def predict(self, image):
            return [FoundSperm(one.parts, np.float32(0.25)) for one in super().predict(image)]

    predicted = predict(Scored(), images, tmp_path)
    assert not predicted.failures
    scores = {one["score"] for one in json.loads(predicted.file.read_text())["annotations"]}
    assert scores == {0.25}
