import pytest
from drawn_smears import ColourModel, write_data

from cascade.benchmark.tables import basis, table
from cascade.config import CS3Config
from cascade.costs import prompts
from cascade.costs.comparison import Comparison, compare
from cascade.costs.trials import Variant
from cascade.errors import ImageError, OutputError
from cascade.pipeline import segment


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("benchmark") / "data")


def comparison(data, out, **options):
    truths = [data / "experts.json"]
    defaults = {"model": ColourModel(), "device": "paper"}
    images = {path.name: path for path in sorted((data / "images").iterdir())}
    return Comparison(truths, images, out, **(defaults | options))


def silent(variant, done, total):
    pass


# -- prompts


def test_grid_asks_more_and_finds_the_same(data, tmp_path):
    config = CS3Config().changed(heads={"grid_side": 12}, tails={"grid_side": 12})
    document = compare(comparison(data, tmp_path / "out"), prompts.variants(config), silent)
    foreground, grid = document["variants"]
    assert (foreground["name"], grid["name"]) == ("foreground", "grid 12×12")
    more = {name: grid["per_image"][name] - count for name, count in foreground["per_image"].items()}
    assert more["head_prompts"] == 2 * (144 - 3)  # heads drawn; the first look at their length asks too
    assert more["tail_prompts"] == 144 - 2 * 4  # tails drawn, each asked near both ends
    assert foreground["per_image"]["heads"] == grid["per_image"]["heads"] == 3
    rows = prompts.as_markdown(document).splitlines()[-2:]
    asked = [f"{grid['per_image'][name]:.1f}" for name in ("head_prompts", "tail_prompts")]
    assert [cell.strip() for cell in rows[1].split("|")[1:4]] == ["grid 12×12", *asked]


# -- going on after an interruption


def test_resume_repeats_nothing(data, tmp_path):
    whole, out, once = Variant("all", CS3Config()), tmp_path / "out", ColourModel()
    segment(data / "images/2023-01-01.png", model=once)
    with pytest.raises(KeyboardInterrupt):
        compare(comparison(data, out, model=ColourModel(fail_after=2 * once.encoded)), [whole], silent)
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
