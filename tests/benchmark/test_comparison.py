import json
import math
from datetime import date

import pytest
from drawn_smears import ColourModel, write_data

from cascade.benchmark import prompts, stages
from cascade.benchmark.comparison import Comparison, code_sha256, compare, find_images
from cascade.benchmark.score import score_files
from cascade.benchmark.tables import basis, table
from cascade.benchmark.trials import Variant
from cascade.config import CS3Config
from cascade.errors import AnnotationError, ConfigError, ImageError, OutputError
from cascade.pipeline import segment


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("benchmark") / "data")


def comparison(data, out, **options):
    truths = [data / "experts.json"]
    defaults = {"model": ColourModel(), "device": "paper"}
    images = find_images(truths, data / "images")
    return Comparison(truths, images, out, **(defaults | options))


def silent(variant, done, total):
    pass


# -- which images


def names(data, **options):
    return [name[:-4] for name in find_images([data / "experts.json"], data / "images", **options)]


def test_images_in_order(data):
    assert names(data) == ["2023-01-01", "2023-01-02", "2023-01-03"]
    assert names(data, until=date(2023, 1, 2)) == ["2023-01-01", "2023-01-02"]
    assert names(data, after=date(2023, 1, 1)) == ["2023-01-02", "2023-01-03"]
    assert names(data, sample=2) == ["2023-01-01", "2023-01-03"]
    assert names(data, sample=2, limit=1, after=date(2023, 1, 1)) == ["2023-01-02"]


def test_images_that_are_not_there(data, tmp_path):
    with pytest.raises(ImageError, match=r"3 of 3 missing, first '2023-01-01.png'"):
        find_images([data / "experts.json"], tmp_path)
    with pytest.raises(AnnotationError, match=r"found none of 3 left"):
        find_images([data / "experts.json"], data / "images", after=date(2023, 1, 3))


# -- the stages, built up


@pytest.fixture(scope="module")
def built_up(data, tmp_path_factory):
    """Folder and document of the stages benchmark."""
    out = tmp_path_factory.mktemp("benchmark") / "stages"
    return out, compare(comparison(data, out), stages.variants(CS3Config()), silent)


def entry(document, name):
    (found,) = [one for one in document["variants"] if one["name"] == name]
    return found


def test_every_variant_says_what_it_is(built_up):
    _, document = built_up
    json.dumps(document, allow_nan=False)
    assert (document["format"], document["model"], document["device"]) == (1, "colours", "paper")
    assert document["images"] == ["2023-01-01.png", "2023-01-02.png", "2023-01-03.png"]
    whole = entry(document, "+ joining (all)")
    assert CS3Config.parse(whole["configuration"]) == CS3Config()
    assert [one["name"] for one in document["variants"] if not one["rules"]] == [
        "S1",
        "+ cascade, one round",
        "+ further rounds",
        "+ knots",
    ]
    joined = [one["name"] for one in document["variants"] if one["configuration"]["joining"]["enabled"]]
    assert joined[0] == "+ joining (all)"
    assert len(joined) == 5


def test_stages_add_up(built_up):
    _, document = built_up
    mean_iou = {one["name"]: one["figures"]["mIoU"] for one in document["variants"]}
    assert mean_iou["S1"] < mean_iou["+ cascade, one round"] < mean_iou["+ joining (all)"]
    heads_alone = entry(document, "S1")
    assert heads_alone["figures"]["head IoU"] > 0.7
    assert heads_alone["figures"]["centreline recall"] == 0
    assert heads_alone["per_image"]["heads"] == 3
    assert heads_alone["per_image"]["tails"] == 0


def test_asks_for_owners_only_where_they_count(built_up):
    _, document = built_up
    asked = {one["name"]: one["per_image"]["head_prompts"] for one in document["variants"]}
    assert asked["+ joining (all)"] == asked["without knots"] == asked["without ownership"] + 4  # tails
    assert asked["+ knots"] == asked["without ownership"]


def test_the_whole_is_what_the_pipeline_finds(built_up, data):
    out, document = built_up
    prediction = out / "predictions/joining-all.coco.json"
    entries = json.loads(prediction.read_text())["annotations"]
    result = segment(data / "images/2023-01-01.png", model=ColourModel())
    expected = [part.region.area for s in result.sperm for part in (s.head, s.tail) if part is not None]
    assert [one["area"] for one in entries if one["image_id"] == 1] == expected
    figures = score_files([data / "experts.json"], prediction)
    assert entry(document, "+ joining (all)")["figures"] == figures


def test_markdown_holds_every_variant_and_stage(built_up):
    _, document = built_up
    text = stages.as_markdown(document)
    first, second = (block.splitlines() for block in text.split("\n\n")[-2:])
    assert len(first) == len(second) == 2 + 10
    whole = entry(document, "+ joining (all)")
    (line,) = [line for line in first if line.startswith("| + joining (all)")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == f"{whole['figures']['mIoU']:.3f}"
    assert cells[-3:] == ["4.0", "3.0", f"{whole['seconds']['all']:.2f}"]
    assert [cell.strip() for cell in second[0].strip("|").split("|")] == ["seconds", *whole["seconds"]]
    assert "sha256 `cccccccccccc…`) on 3 images; figures averaged over 1 truth;" in text


# -- variants as configurations


def test_variants_start_from_the_configuration_given():
    config = stages.changed(CS3Config(), heads={"min_score": 0.7}, tails={"rounds": 5})
    variants = stages.variants(config)
    assert len({(variant.config.model_dump_json(), variant.rules) for variant in variants}) == len(variants)
    assert {variant.config.heads.min_score for variant in variants} == {0.7}
    steps = [(one.config.tails.rounds, one.config.knots.enabled, one.rules) for one in variants[:6]]
    assert steps == [
        (0, False, False),
        (1, False, False),
        (5, False, False),
        (5, True, False),
        (5, True, True),
        (5, True, True),
    ]
    named = {variant.name: variant.config for variant in variants}
    assert named["+ joining (all)"] == config
    assert not named["without direction"].tails.use_direction
    assert not named["without direction"].matching.use_direction
    assert named["without ownership"].matching.use_direction


def test_changed_is_checked():
    with pytest.raises(ConfigError, match=r"tails\.rounds"):
        stages.changed(CS3Config(), tails={"rounds": -1})


# -- prompts


def test_grid_asks_more_and_finds_the_same(data, tmp_path):
    config = stages.changed(CS3Config(), heads={"grid_side": 12}, tails={"grid_side": 12})
    document = compare(comparison(data, tmp_path / "out"), prompts.variants(config), silent)
    foreground, grid = document["variants"]
    assert (foreground["name"], grid["name"]) == ("foreground", "grid 12×12")
    more = {name: grid["per_image"][name] - count for name, count in foreground["per_image"].items()}
    assert more["head_prompts"] == 144 - 3  # heads drawn
    assert more["tail_prompts"] >= 144 - 4  # tails drawn; joining asks again
    assert foreground["per_image"]["heads"] == grid["per_image"]["heads"] == 3
    rows = prompts.as_markdown(document).splitlines()[-2:]
    asked = [f"{grid['per_image'][name]:.1f}" for name in ("head_prompts", "tail_prompts")]
    assert [cell.strip() for cell in rows[1].split("|")[1:4]] == ["grid 12×12", *asked]


# -- going on after an interruption


def test_resume_repeats_nothing(data, tmp_path):
    whole, out, once = Variant("all", CS3Config()), tmp_path / "out", ColourModel()
    segment(data / "images/2023-01-01.png", model=once)
    with pytest.raises(KeyboardInterrupt):
        compare(comparison(data, out, model=ColourModel(fail_after=2 * once.encoded + 1)), [whole], silent)
    with pytest.raises(OutputError, match="--resume"):
        compare(comparison(data, out), [whole], silent)
    model, steps = ColourModel(), []
    resumed = compare(
        comparison(data, out, model=model, resume=True), [whole], lambda *step: steps.append(step)
    )
    assert model.encoded == once.encoded  # two images were done; the third is begun anew
    assert steps == [("all", 1, 3), ("all", 2, 3), ("all", 3, 3)]
    straight = compare(comparison(data, tmp_path / "other"), [whole], silent)
    assert resumed["variants"][0]["figures"] == straight["variants"][0]["figures"]
    assert resumed["variants"][0]["per_image"] == straight["variants"][0]["per_image"]


def test_another_model_starts_anew(data, tmp_path):
    whole, out = Variant("all", CS3Config()), tmp_path / "out"
    compare(comparison(data, out), [whole], silent)
    same, other = ColourModel(), ColourModel()
    other.sha256 = "d" * 64
    compare(comparison(data, out, model=same, resume=True), [whole], silent)
    compare(comparison(data, out, model=other, resume=True), [whole], silent)
    assert same.encoded == 0 < other.encoded


def test_one_bad_image_ends_it(data, tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"no image")
    whole = comparison(data, tmp_path / "out")
    broken = Comparison(
        whole.truths, {"2023-01-01.png": tmp_path / "damaged.png"}, whole.out, whole.model, ""
    )
    with pytest.raises(ImageError, match=r"damaged\.png"):
        compare(broken, [Variant("all", CS3Config())], silent)


def test_code_has_one_hash():
    assert code_sha256() == code_sha256()
    assert len(code_sha256()) == 64


# -- tables


def test_table_reads_well_as_text():
    assert table(["way", "s"], [["short", "1.25"], ["much longer", "10.50"]]) == (
        "| way         |     s |\n| ----------- | ----: |\n| short       |  1.25 |\n| much longer | 10.50 |\n"
    )


def test_basis_counts_in_words():
    document = {
        "model": "m",
        "model_sha256": "e" * 64,
        "device": "CPU",
        "images": ["a"],
        "truths": ["b", "c"],
    }
    assert "on 1 image; figures averaged over 2 truths; seconds" in basis(document)


def test_figures_are_numbers(built_up):
    _, document = built_up
    for one in document["variants"]:
        assert all(math.isfinite(value) for value in one["figures"].values())
        assert one["seconds"]["all"] >= one["seconds"]["tails"]
