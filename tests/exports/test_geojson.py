import json
import uuid

import pytest

from cascade.exports.geojson import collection


@pytest.fixture
def features(crossing, rows):
    document = json.loads(json.dumps(collection("a.png", crossing, rows), allow_nan=False))
    assert document["type"] == "FeatureCollection"
    return document["features"]


def test_a_feature_a_part(features):
    names = [(f["properties"]["name"], f["properties"]["classification"]["name"]) for f in features]
    assert names == [
        ("sperm 1 head", "Head"),
        ("sperm 1 tail", "Tail"),
        ("sperm 2 head", "Head"),
        ("sperm 2 tail", "Tail"),
        ("sperm 3 head", "Head: incomplete"),
        ("sperm 4 tail", "Tail: incomplete"),
    ]
    assert {f["properties"]["objectType"] for f in features} == {"annotation"}


def test_rings_are_closed_along_pixel_edges(features):
    assert features[0]["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[2, 13], [10, 13], [10, 20], [2, 20], [2, 13]]],
    }


def test_part_in_pieces_is_a_multipolygon(features):
    geometry = features[-1]["geometry"]
    assert geometry["type"] == "MultiPolygon"
    assert len(geometry["coordinates"]) == 2


def test_ids_are_valid_different_and_repeatable(features, crossing, rows):
    ids = [f["id"] for f in features]
    assert len({uuid.UUID(i) for i in ids}) == 6
    assert ids == [f["id"] for f in collection("a.png", crossing, rows)["features"]]
    assert set(ids).isdisjoint(f["id"] for f in collection("b.png", crossing, rows)["features"])


def test_measurements_are_numbers_of_the_part(features):
    measured = [f["properties"]["measurements"] for f in features]
    assert measured[0] == {"sperm_id": 1, "score": 0.9, "head_length_px": 8.0}
    assert measured[1] == {"sperm_id": 1, "score": 0.9, "tail_length_px": 28.0}
    assert measured[3] == {"sperm_id": 2, "score": 0.7}
    assert measured[5] == {"sperm_id": 4, "score": 0.25, "head_tail_angle_deg": 3.0}


def test_nothing_found_is_an_empty_collection(blank):
    assert collection("a.png", blank, []) == {"type": "FeatureCollection", "features": []}
