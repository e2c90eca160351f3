import numpy as np
import pytest

from cascade.types import Head, Region, Result, Sperm, Tail


def block(x0, y0, x1, y1):
    return Region(np.ones((y1 - y0, x1 - x0), bool), x0, y0)


def head(region, length=8.0):
    x0, y0, x1, y1 = region.box
    centre = np.array([(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2])
    return Head(region, 0.9, centre, np.array([1.0, 0.0]), length, length / 2)


def tail(region):
    x0, y0, x1, y1 = region.box
    return Tail(region, 0.8, np.array([[x0, y0], [x1 - 1, y1 - 1]], float), 3.0)


@pytest.fixture
def crossing():
    """1 lies flat, 2 stands and crosses it at (20–22, 15–17), 3 is a head alone, 4 a tail in pieces."""
    pieces = np.zeros((2, 9), bool)
    pieces[:, :3] = pieces[:, 6:] = True
    return Result(
        (30, 40),
        (
            Sperm(1, head(block(2, 13, 10, 20)), tail(block(10, 15, 38, 18)), 0.9),
            Sperm(2, head(block(18, 2, 25, 8)), tail(block(20, 8, 23, 28)), 0.7),
            Sperm(3, head(block(30, 2, 36, 6)), None, 0.5),
            Sperm(4, None, tail(Region(pieces, 28, 24)), 0.25),
        ),
        head_length=8.0,
        head_length_source="measured",
        pixel_size=0.25,
        seconds={"heads": 0.5, "tails": 1.0},
        model="hand",
        model_sha256="0" * 64,
    )


@pytest.fixture
def blank():
    return Result((30, 40), (), 8.0, "image width")


@pytest.fixture
def rows():
    return [
        {"sperm_id": 1, "score": 0.9, "complete": True, "head_length_px": 8.0, "tail_length_px": 28.0},
        {
            "sperm_id": 2,
            "score": 0.7,
            "complete": True,
            "head_length_px": 7.0,
            "tail_length_px": float("nan"),
        },
        {"sperm_id": 3, "score": 0.5, "complete": False, "head_length_px": 6.0, "tail_length_px": None},
        {"sperm_id": 4, "score": 0.25, "complete": False, "head_length_px": None, "head_tail_angle_deg": 3.0},
    ]
