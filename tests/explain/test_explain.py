import json

import numpy as np
import pytest
from explain_scene import SHAPE, ColourModel, smear
from PIL import Image

from cascade.config import CS3Config
from cascade.errors import ImageError, OutputError
from cascade.explain import explain
from cascade.explain.sheet import CELL_WIDTH, PANEL_WIDTH

SETTINGS = CS3Config.parse(
    {
        "heads": {"min_score": 0.3, "max_area_hl2": 1.6},
        "tails": {"min_length_hl": 1.0, "min_bend_deg": 120, "rounds": 2},
        "knots": {"enabled": False},
    }
)


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    out = tmp_path_factory.mktemp("explained") / "new" / "folder"
    return explain(smear(), out, ColourModel(), SETTINGS)


@pytest.fixture(scope="module")
def record(explained):
    return json.loads(explained[-1].read_text())


def size(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_a_picture_for_each_stage_one_sheet_and_a_record(explained):
    names = [path.name for path in explained]
    assert names[-2:] == ["contact-sheet.png", "explain.json"]
    stages = [name.split("-", 1)[1] for name in names[:-2]]
    assert stages[:4] == ["image.png", "normalised.png", "foreground.png", "direction.png"]
    assert stages[4].startswith("heads-s1")
    assert "tails-s2.png" in stages
    assert stages[-3:] == ["knots.png", "matches.png", "result.png"]
    assert [int(name[:2]) for name in names[:-2]] == list(range(1, len(names) - 1))
    assert sorted(path.name for path in explained[0].parent.iterdir()) == sorted(names)


def test_pictures_hold_their_panels(explained):
    by_name = {path.name.split("-", 1)[1]: size(path) for path in explained[:-2]}
    assert PANEL_WIDTH < by_name["image.png"][0] < 2 * PANEL_WIDTH
    assert by_name["tails-s2.png"][0] > 2 * PANEL_WIDTH
    width, height = size(explained[-2])
    rows = -(-len(by_name) // 3)
    assert width > 3 * CELL_WIDTH
    assert height > rows * CELL_WIDTH * SHAPE[0] / SHAPE[1]


def test_record_lists_the_pictures(explained, record):
    assert record["pictures"] == [path.name for path in explained[:-1]]


def test_record_says_why_heads_were_rejected(record):
    kinds = [one["kind"] for chapter in record["head_rounds"] for one in chapter["rejected"]]
    assert "area > 1.60 square head lengths" in kinds
    blot = next(one for one in record["head_rounds"][0]["rejected"] if one["kind"].startswith("area >"))
    x0, y0, x1, y1 = blot["box"]
    assert (x0, y0) == pytest.approx((270, 160), abs=3)
    assert (x1, y1) == pytest.approx((331, 221), abs=3)


def test_record_says_why_tails_were_rejected(record):
    rejected = record["tail_rounds"][0]["rejected"]
    assert "length < 1.00 head lengths" in {one["kind"] for one in rejected}
    assert [one["mark"] for one in rejected] == [f"x{number}" for number in range(1, len(rejected) + 1)]
    lengths = [one["length_hl"] for one in rejected]
    assert lengths == sorted(lengths, reverse=True)


def test_record_joins_heads_and_tails(record):
    heads, tails = record["heads"], record["tails"]
    paired = {(one["head"], one["tail"]) for one in record["matches"]}
    assert len(paired) == 3 == record["complete"]
    for head, tail in paired:
        assert heads[head]["centre"][1] == pytest.approx(tails[tail]["ends"][0][1], abs=2)
    (alone,) = record["heads_alone"]
    assert heads[alone["mark"]]["centre"] == pytest.approx([120, 200], abs=1)
    assert alone["reason"].startswith("nearest tail end")


def test_kept_and_painted_are_told(record):
    first = record["tail_rounds"][0]
    assert len(first["kept"]) == 3
    assert first["painted_px"] > 3 * 100
    assert first["prompts"]


def test_knots_are_shown(tmp_path):
    settings = CS3Config.parse({"tails": {"rounds": 0, "min_length_hl": 1.0}, "knots": {"enlarge": 2}})
    paths = explain(smear(), tmp_path, ColourModel(), settings)
    record = json.loads(paths[-1].read_text())
    assert record["tail_rounds"] == []
    kept = [mark for knot in record["knots"] for mark in knot["kept"]]
    assert kept
    assert set(kept) == set(record["tails"])
    knots = next(path for path in paths if path.name.endswith("knots.png"))
    assert size(knots)[0] > 2 * PANEL_WIDTH
    for knot in record["knots"]:
        x0, y0, x1, y1 = knot["box"]
        assert knot["enlarged_shape"] == [2 * (y1 - y0), 2 * (x1 - x0)]


@pytest.mark.parametrize(
    "settings", [CS3Config(), CS3Config.parse({"preprocess": {"foreground": "whitening"}})]
)
def test_blank_field(tmp_path, settings):
    paths = explain(np.full((*SHAPE, 3), 230, np.uint8), tmp_path, ColourModel(), settings)
    record = json.loads(paths[-1].read_text())
    assert record["sperm"] == 0
    assert record["heads"] == {} == record["tails"]
    assert all(path.is_file() for path in paths)


def test_same_folder_again_leaves_no_stale_picture(tmp_path):
    first = explain(smear(), tmp_path, ColourModel(), SETTINGS)
    (tmp_path / "mine.txt").write_text("kept")
    again = explain(np.full((*SHAPE, 3), 230, np.uint8), tmp_path, ColourModel(), SETTINGS)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in again} | {"mine.txt"}
    assert {path.name for path in first} != {path.name for path in again}


def test_folder_of_others_is_refused(tmp_path):
    (tmp_path / "precious.png").write_bytes(b"picture")
    with pytest.raises(OutputError, match="other files"):
        explain(smear(), tmp_path, ColourModel())
    assert [path.name for path in tmp_path.iterdir()] == ["precious.png"]


@pytest.mark.parametrize("text", ["[]", "{}", '{"pictures": 3}', "not JSON", '{"pictures": ["../away.png"]}'])
def test_foreign_record_removes_nothing(tmp_path, text):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "away.png").write_bytes(b"picture")
    (out / "explain.json").write_text(text)
    if "away" in text:
        explain(np.full((60, 90, 3), 230, np.uint8), out, ColourModel())
    else:
        with pytest.raises(OutputError, match="other files"):
            explain(smear(), out, ColourModel())
    assert (tmp_path / "away.png").is_file()


def test_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="found a file"):
        explain(smear(), tmp_path / "out", ColourModel())


def test_array_of_another_form(tmp_path):
    with pytest.raises(ImageError):
        explain(np.zeros((4, 4), np.uint8), tmp_path / "out", ColourModel())
    assert not (tmp_path / "out").exists()
