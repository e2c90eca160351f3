"""What a notebook and a console show of a result."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cascade.display import result_html
from cascade.geometry import ellipse_axes, paint_polyline
from cascade.types import Head, Region, Result, Sperm, Tail

SHAPE = (300, 400)


def head(x: int, y: int) -> Head:
    region = Region(np.ones((20, 30), bool), x, y)
    return Head(region, 0.914, *ellipse_axes(region))


def tail(x: int, y: int) -> Tail:
    line = np.array([[x, y], [x + 100.0, y]])
    return Tail(paint_polyline(line, 6, SHAPE), 0.7, line, 6, "knots")


def result(number: int = 3, pixel_size: float | None = None, shape: tuple[int, int] = SHAPE) -> Result:
    sperm = (
        Sperm(1, head(50, 50), tail(80, 60), 0.8),
        Sperm(2, head(200, 200), None, 0.7),
        Sperm(3, None, tail(200, 100), 0.6),
        *(Sperm(n, head(10, 10 * n), None, 0.5) for n in range(4, 20)),
    )
    return Result(shape, sperm[:number], 30, "measured", pixel_size, {"heads": 1.2}, "tiny <1>")


class Cells(HTMLParser):
    """Rows of the tables, and tags that were opened but not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "img":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def cells(html: str) -> list[list[str]]:
    parser = Cells()
    parser.feed(html)
    assert parser.open == []
    return parser.rows


def picture(html: str) -> np.ndarray:
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found is not None
    return np.array(Image.open(io.BytesIO(base64.b64decode(found.group(1)))))


def test_counts_and_first_rows() -> None:
    names, values, columns, *rows = cells(result_html(result()))
    assert dict(zip(names, values, strict=True)) == {
        "complete sperm": "1",
        "heads alone": "1",
        "tails alone": "1",
        "image": "400×300 px, pixel size unknown",
        "head length": "30.0 px (measured)",
        "model": "tiny <1>",
        "time": "1.2 s",
    }
    assert [dict(zip(columns, row, strict=True))["tail length, px"] for row in rows] == ["100", "–", "100"]
    assert rows[0][columns.index("found in")] == "knots"


def test_micrometres_where_the_pixel_size_is_known() -> None:
    _, values, columns, first, *_ = cells(result_html(result(pixel_size=0.1)))
    assert "400×300 px, 0.1 µm a pixel" in values
    assert first[columns.index("tail length, µm")] == "10"


def test_long_results_are_cut() -> None:
    html = result_html(result(12))
    assert len(cells(html)) == 2 + 1 + 5
    assert "and 7 more" in html


def test_the_picture_shows_the_masks() -> None:
    shown = picture(result()._repr_html_())
    assert shown.shape == (300, 400, 3)
    assert (shown[290, 5] == 255).all()
    assert (shown[60, 140] != 255).any()
    dark = np.zeros((*SHAPE, 3), np.uint8)
    assert (picture(result_html(result(), dark))[290, 5] == 0).all()


def test_large_pictures_are_made_smaller() -> None:
    assert picture(result_html(result(shape=(1024, 1280)))).shape == (640, 800, 3)


def test_nothing_found_shows_as_nothing() -> None:
    html = result_html(result(0))
    assert cells(html)[1][:3] == ["0", "0", "0"]
    assert (picture(html) == 255).all()


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="300"):
        result_html(result(), np.zeros((30, 40, 3), np.uint8))


def test_representations_are_one_short_line() -> None:
    everything = result()
    assert repr(everything) == "Result(400×300 px, 3 sperm, 1 complete)"
    assert [repr(sperm) for sperm in everything.sperm] == [
        "Sperm(1, complete, score 0.80)",
        "Sperm(2, head alone, score 0.70)",
        "Sperm(3, tail alone, score 0.60)",
    ]
    assert repr(head(50, 50)) == "Head(34.6×23.1 px at x=64.5, y=59.5, score 0.91)"
    assert repr(tail(80, 60)) == "Tail(2 points, 6.0 px wide, score 0.70, found in knots)"
    assert repr(head(50, 50).region) == "Region(600 px in 30×20 at x=50, y=50)"
