"""Figures on fields of rectangles, with answers one can count."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cascade.benchmark.score import score_files
from cascade.errors import AnnotationError

Box = tuple[int, int, int, int]
CATEGORIES = ("acrosome", "nucleus", "vacuole", "midpiece", "tail", "head")


def write(
    path: Path,
    images: Mapping[str, Sequence[Mapping[str, Any]]],
    shape: tuple[int, int] = (60, 100),
) -> Path:
    """A file of sperm given as part → box `x0, y0, x1, y1` (pixels from and up to), and `score` if any."""
    annotations = []
    for number, sperm in enumerate(images.values()):
        for sperm_id, parts in enumerate(sperm):
            for part, box in parts.items():
                if part == "score":
                    continue
                x0, y0, x1, y1 = box
                entry = {
                    "id": len(annotations),
                    "image_id": number,
                    "sperm_id": sperm_id,
                    "category_id": CATEGORIES.index(part),
                    "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                }
                annotations.append(entry | ({"score": parts["score"]} if "score" in parts else {}))
    content = {
        "images": [
            {"id": n, "file_name": name, "height": shape[0], "width": shape[1]}
            for n, name in enumerate(images)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CATEGORIES)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(content))
    return path


def sperm(x: int, y: int, length: int = 30) -> dict[str, Box]:
    """A head of 10 × 10 pixels and a tail of `length` × 5 behind it."""
    return {"head": (x, y, x + 10, y + 10), "tail": (x + 10, y + 3, x + 10 + length, y + 8)}


def test_the_truth_scores_one_against_itself(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "a.json", {"1.png": [sperm(0, 0), sperm(20, 30)], "2.png": [], "3.png": [sperm(5, 5)]}
    )
    figures = score_files([truth], truth)
    counts = {name: figures.pop(name) for name in ("images", "sperm", "predicted")}
    assert counts == {"images": 3, "sperm": 3, "predicted": 3}
    assert figures.pop("length error") == 0
    assert figures
    assert figures == dict.fromkeys(figures, 1.0)


def test_half_a_tail_too_short(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0, 40)]})
    found = write(tmp_path / "b.json", {"1.png": [sperm(0, 0, 20)]})
    figures = score_files([truth], found)
    assert figures["mIoU"] == pytest.approx(200 / 300)
    assert figures["mDice"] == pytest.approx(2 * 200 / (200 + 300))
    assert figures["head IoU"] == 1
    assert figures["tail IoU"] == figures["flagellum IoU"] == pytest.approx(0.5)
    assert figures["F1"] == 1
    assert figures["PQ"] == pytest.approx(200 / 300)
    assert figures["AP50"] == 1
    assert figures["AP75"] == 0
    assert figures["AP"] == pytest.approx(4 / 10)  # levels 0.50 to 0.65
    assert figures["centreline precision"] == 1
    assert figures["centreline recall"] == pytest.approx(0.5, abs=0.03)
    assert figures["length error"] == pytest.approx(0.5, abs=0.06)  # skeletons lose a little at both ends
    assert figures["parsing mIoU"] == pytest.approx((1 + 0.5) / 2)
    assert figures["PCP50"] == 1
    assert figures["APp50"] == 1  # mean part IoU is 0.75: found at 0.1 to 0.7
    assert figures["APpvol"] == pytest.approx(7 / 9)


def test_one_found_one_missed_one_too_many(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0), sperm(0, 20)]})
    found = write(tmp_path / "b.json", {"1.png": [sperm(0, 0), sperm(50, 40)]})
    figures = score_files([truth], found)
    for name in (
        "mIoU",
        "mDice",
        "recall50",
        "precision50",
        "F1",
        "PQ",
        "AP",
        "AP50",
        "head IoU",
        "tail IoU",
    ):
        assert figures[name] == pytest.approx(0.5), name
    assert figures["centreline recall"] == figures["centreline precision"] == 0.5
    assert figures["length error"] == pytest.approx(0.5)  # median of 0 and 1


def test_swapped_tails_cost_flagella_not_heads(tmp_path: Path) -> None:
    one, other = sperm(0, 0), sperm(0, 30)
    swapped = [{"head": one["head"], "tail": other["tail"]}, {"head": other["head"], "tail": one["tail"]}]
    figures = score_files(
        [write(tmp_path / "a.json", {"1.png": [one, other]})], write(tmp_path / "b.json", {"1.png": swapped})
    )
    # Tails of 150 pixels outweigh heads of 100, so sperm are paired by their tails.
    assert figures["mIoU"] == pytest.approx(150 / 350)
    assert figures["flagellum IoU"] == 1
    assert figures["head IoU"] == 0


def test_sperm_are_paired_for_the_largest_sum(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [{"head": (0, 0, 10, 10)}, {"head": (0, 10, 10, 20)}]})
    # The first prediction overlaps both (6 and 4 rows), the second only the first (3 rows of 10).
    found = write(tmp_path / "b.json", {"1.png": [{"head": (0, 4, 10, 14)}, {"head": (0, 0, 10, 3)}]})
    assert score_files([truth], found)["mIoU"] == pytest.approx((3 / 10 + 4 / 16) / 2)


def test_order_of_scores_decides_average_precision(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0)]})
    right, wrong = sperm(0, 0), sperm(40, 40)
    sure = write(tmp_path / "b.json", {"1.png": [right | {"score": 0.9}, wrong | {"score": 0.2}]})
    unsure = write(tmp_path / "c.json", {"1.png": [right | {"score": 0.2}, wrong | {"score": 0.9}]})
    assert score_files([truth], sure)["AP50"] == 1
    assert score_files([truth], unsure)["AP50"] == pytest.approx(0.5)


def test_tails_without_a_head_are_left_out(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0)]})
    found = write(tmp_path / "b.json", {"1.png": [sperm(0, 0), {"tail": (0, 40, 60, 45)}]})
    figures = score_files([truth], found)
    assert figures["predicted"] == 1
    assert figures["F1"] == 1


def test_parts_count_as_finely_as_they_are_predicted(tmp_path: Path) -> None:
    fine = {
        "acrosome": (0, 0, 5, 10),
        "nucleus": (5, 0, 10, 10),
        "midpiece": (10, 3, 20, 8),
        "tail": (20, 3, 50, 8),
    }
    truth = write(tmp_path / "a.json", {"1.png": [fine]})
    undivided = score_files([truth], write(tmp_path / "b.json", {"1.png": [sperm(0, 0, 40)]}))
    assert undivided["PCP50"] == undivided["APpvol"] == undivided["parsing mIoU"] == 1
    assert undivided["nucleus IoU"] == undivided["midpiece IoU"] == 0
    assert undivided["tail IoU"] == pytest.approx(150 / 200)
    no_acrosome = {name: box for name, box in fine.items() if name != "acrosome"}
    divided = score_files([truth], write(tmp_path / "c.json", {"1.png": [no_acrosome]}))
    assert divided["PCP50"] == divided["parsing mIoU"] == pytest.approx(3 / 4)


def test_figures_are_averaged_over_experts(tmp_path: Path) -> None:
    experts = [
        write(tmp_path / "a.json", {"1.png": [sperm(0, 0)]}),
        write(tmp_path / "b.json", {"1.png": [sperm(0, 0), sperm(0, 30)]}),
    ]
    figures = score_files(experts, write(tmp_path / "c.json", {"1.png": [sperm(0, 0)]}))
    assert figures["sperm"] == 1.5
    assert figures["mIoU"] == pytest.approx(0.75)
    assert figures["F1"] == pytest.approx((1 + 2 / 3) / 2)


def test_an_image_without_prediction_counts_as_nothing_found(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0)], "2.png": [sperm(0, 0)]})
    found = write(tmp_path / "b.json", {"1.png": [sperm(0, 0)]})
    assert score_files([truth], found)["mIoU"] == pytest.approx(0.5)


def test_filters_restrict_truth_and_prediction(tmp_path: Path) -> None:
    days = {
        "x_2023-04-26_a.png": [sperm(0, 0)],
        "2023-04-27.png": [sperm(0, 9)],
        "2023-04-28.png": [sperm(0, 20)],
    }
    truth = write(tmp_path / "a.json", days)
    found = write(tmp_path / "b.json", days | {"2023-04-28.png": []})
    early = score_files([truth], found, until=date(2023, 4, 27))
    assert (early["images"], early["mIoU"]) == (2, 1)
    late = score_files([truth], found, after=date(2023, 4, 27))
    assert (late["images"], late["predicted"], late["mIoU"]) == (1, 0, 0)
    between = score_files([truth], found, after=date(2023, 4, 26), until=date(2023, 4, 27))
    assert between["images"] == 1
    named = score_files([truth], found, images={"2023-04-27.png", "2023-04-28.png"})
    assert (named["images"], named["mIoU"]) == (2, 0.5)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    truth = write(tmp_path / "a.json", {"1.png": [sperm(0, 0)], "2023-99-01.png": []})
    stranger = write(tmp_path / "b.json", {"1.png": [], "2.png": []})
    with pytest.raises(
        AnnotationError, match=r"b\.json: expected images that .*a\.json holds, found 1 others.*'2\.png'"
    ):
        score_files([truth], stranger)
    larger = write(tmp_path / "c.json", {"1.png": []}, shape=(60, 101))
    with pytest.raises(AnnotationError, match=r"c\.json: 1\.png: expected height, width \(60, 100\)"):
        score_files([truth], larger)
    empty = write(tmp_path / "d.json", {"1.png": []})
    with pytest.raises(AnnotationError, match=r"d\.json: expected .* sperm .* found none"):
        score_files([empty], empty)
    with pytest.raises(AnnotationError, match="found none"):
        score_files([truth], truth, images=[])
    with pytest.raises(AnnotationError, match=r"'9\.png'"):
        score_files([truth], truth, images=["9.png"])
    for name in ("1.png", "2023-99-01.png"):
        with pytest.raises(AnnotationError, match=f"expected a date.*'{name}'"):
            score_files(
                [write(tmp_path / "e.json", {name: [sperm(0, 0)]})], empty_of(tmp_path, name), until=date.max
            )
    with pytest.raises(AnnotationError, match="at least one truth file"):
        score_files([], truth)


def empty_of(folder: Path, name: str) -> Path:
    return write(folder / "f.json", {name: []})
