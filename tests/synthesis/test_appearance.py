from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cascade.errors import ConfigError
from cascade.sam.tiny import Tiny, load_tiny
from cascade.synthesis import synthesize
from cascade.synthesis.appearance import Appearance, draw_from, load_appearances, save_appearances
from cascade.synthesis.measuring import appearance_of, measure_files
from cascade.synthesis.survey import look_at

GREEN = Appearance(
    width=640.0,
    height=512.0,
    head_length=45.0,
    background=(215.0, 222.0, 210.0),
    nucleus=(1.5, 0.9, 1.4),
    acrosome=(0.4, 0.25, 0.4),
    midpiece=(0.3, 0.12, 0.25),
    tail=(0.22, 0.1, 0.2),
    tail_width=0.11,
    blur=0.028,
    noise=1.0,
    grain=0.7,
    mottle=0.002,
    haze=0.002,
    lamp=0.02,
    bend=12.0,
    heads=9.0,
    debris=0.005,
)


@pytest.fixture(scope="module")
def model() -> Tiny:
    return load_tiny()


def measured(like: Appearance, model: Tiny) -> Appearance:
    """Medians over a few smears drawn like an appearance."""
    found = [
        one
        for seed in range(5)
        if (one := appearance_of(look_at(synthesize(seed, like.shape, 45.0, like=like).image, model)))
    ]
    assert len(found) >= 3
    names = ("tail_width", "noise", "head_length", "heads", "blur")
    amounts = {name: float(np.median([getattr(one, name) for one in found])) for name in names}
    colours = {
        name: tuple(np.median([getattr(one, name) for one in found], axis=0).tolist())
        for name in ("background", "nucleus", "tail")
    }
    return replace(found[0], **amounts, **colours)


def test_a_smear_drawn_like_an_appearance_measures_as_it(model: Tiny) -> None:
    found = measured(GREEN, model)
    assert found.head_length == pytest.approx(45, rel=0.12)
    assert found.tail_width == pytest.approx(GREEN.tail_width, rel=0.3)
    np.testing.assert_allclose(found.background, GREEN.background, rtol=0.06)
    np.testing.assert_allclose(found.nucleus, GREEN.nucleus, rtol=0.35)
    np.testing.assert_allclose(found.tail, GREEN.tail, rtol=0.5)
    assert found.nucleus[1] < found.nucleus[0]  # the hue too


def test_what_is_changed_is_measured(model: Tiny) -> None:
    usual = measured(GREEN, model)
    noisy = measured(replace(GREEN, noise=4.0), model)
    blurred = measured(replace(GREEN, blur=0.06), model)
    assert noisy.noise > 2 * usual.noise
    assert blurred.blur > 1.3 * usual.blur


def test_a_picture_without_sperm_has_no_appearance(model: Tiny) -> None:
    assert appearance_of(look_at(np.full((200, 300, 3), 220, np.uint8), model)) is None


def test_unreadable_and_empty_pictures_are_named_and_skipped(tmp_path: Path, model: Tiny) -> None:
    Image.fromarray(synthesize(1, (512, 640), 45.0, like=GREEN).image).save(tmp_path / "good.png")
    Image.new("RGB", (200, 150), (220, 220, 220)).save(tmp_path / "empty.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "text.png").write_text("hello", encoding="utf-8")
    told: list[int] = []
    found = measure_files(sorted(tmp_path.iterdir()), model, told.append)
    assert len(found.appearances) == 1
    assert [why.split(":")[0] for why in found.skipped] == ["broken.png", "empty.png", "text.png"]
    assert told == [1, 2, 3, 4]
    with pytest.raises(ConfigError, match="expected pictures of sperm, found none in 2 files"):
        measure_files([tmp_path / "empty.png", tmp_path / "text.png"], model)


def test_appearances_come_back_from_their_file_which_names_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "appearance.json"
    save_appearances(path, [GREEN, replace(GREEN, noise=2.0)])
    assert load_appearances(path) == (GREEN, replace(GREEN, noise=2.0))
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {"cs3_appearance", "pictures"}
    assert all(set(row) == set(GREEN.__dataclass_fields__) for row in content["pictures"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "cannot be read"),
        (lambda text: text[:-40], "cannot be read"),
        (lambda text: "[" * 100_000, "cannot be read"),
        (lambda text: "[]", "version 1, found None"),
        (lambda text: text.replace('"cs3_appearance": 1', '"cs3_appearance": 9'), "version 1, found 9"),
        (lambda text: '{"cs3_appearance": 1, "pictures": []}', "a list of pictures"),
        (lambda text: '{"cs3_appearance": 1, "pictures": [3]}', "picture 1: expected an object"),
        (lambda text: text.replace('"noise": 1.0', '"noise": "loud"'), "a number of 0 or more as noise"),
        (lambda text: text.replace('"noise": 1.0', '"noise": NaN'), "a number of 0 or more as noise"),
        (lambda text: text.replace('"noise": 1.0', '"noise": -1'), "a number of 0 or more as noise"),
        (lambda text: text.replace('"head_length": 45.0', '"head_length": 0'), "head length of 4 px or more"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, change: object, message: str) -> None:
    path = tmp_path / "appearance.json"
    save_appearances(path, [GREEN])
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message):
        load_appearances(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_appearances(tmp_path / "missing.json")


def test_variation_keeps_the_size_and_stays_near() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_from([GREEN], rng) for _ in range(40)]
    assert {one.shape for one in drawn} == {GREEN.shape}
    assert np.std([one.tail_width for one in drawn]) > 0.002
    assert np.mean([one.tail_width for one in drawn]) == pytest.approx(GREEN.tail_width, rel=0.05)
    with pytest.raises(ConfigError, match="at least one measured appearance"):
        draw_from([], rng)


def test_a_stain_beside_an_appearance_is_refused() -> None:
    with pytest.raises(ConfigError, match="a stain or an appearance, got both"):
        synthesize(0, (128, 160), 20.0, "ral", like=GREEN)
    with pytest.raises(ConfigError, match="magnification must be 40 to 100"):
        synthesize(0, (128, 160), 20.0, magnification=20.0)
