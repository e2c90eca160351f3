import json

import pytest
from drawn_smears import SHAPE, SPERM, ColourModel, masks, write_data
from scipy.ndimage import binary_dilation

from cascade.benchmark.figure_table import FIGURES
from cascade.config import CS3Config
from cascade.costs.comparison import Comparison
from cascade.costs.oracle import COLUMNS, EXPERTS, ROWS, Informed, as_markdown, run_oracle
from cascade.errors import AnnotationError
from cascade.exports import coco
from cascade.types import Region


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two experts, whose heads are larger than the model's; the second saw one sperm an image."""
    folder = write_data(tmp_path_factory.mktemp("oracle") / "data", ("2023-01-01", "2023-01-02"))
    document = json.loads((folder / "experts.json").read_text())
    for annotation in document["annotations"]:
        if annotation["category_id"] == 0:
            head, _ = masks(list(SPERM)[annotation["sperm_id"]])
            annotation["segmentation"] = coco.runs(Region.from_full(binary_dilation(head)), SHAPE)
    (folder / "experts.json").write_text(json.dumps(document))
    document["annotations"] = [a for a in document["annotations"] if a["sperm_id"] == 0]
    (folder / "second.json").write_text(json.dumps(document))
    return folder


def comparison(data, out, *truths, **options):
    images = {path.name: path for path in sorted((data / "images").iterdir())}
    files = [data / name for name in truths or ("experts.json", "second.json")]
    return Comparison(files, images, out, **({"model": ColourModel(), "device": "paper"} | options))


def silent(variant, done, total):
    pass


@pytest.fixture(scope="module")
def document(data, tmp_path_factory):
    return run_oracle(comparison(data, tmp_path_factory.mktemp("oracle") / "out"), CS3Config(), silent, 50)


def test_a_row_for_everything_told_and_one_for_the_experts(document):
    assert [row["name"] for row in document["rows"]] == [*ROWS, EXPERTS]
    assert [row["told"] for row in document["rows"]] == [*(list(kinds) for kinds in ROWS.values()), None]
    assert set(COLUMNS) <= set(FIGURES)
    assert all(list(row["figures"]) == list(COLUMNS) for row in document["rows"])


def test_gains_are_against_those_who_do_not_tell(document, data, tmp_path):
    rows = {row["name"]: row for row in document["rows"]}
    second = run_oracle(comparison(data, tmp_path, "second.json"), CS3Config(), silent, 50)["rows"][0]
    base, heads, tells = rows["as it is"], rows["true heads"], rows[EXPERTS]
    assert base["gain"]["mIoU"] == {"value": 0, "low": 0, "high": 0}
    # The first expert has all that the second has, and two sperm more in every image.
    assert tells["gain"]["mIoU"]["value"] == pytest.approx(1 - second["figures"]["mIoU"]["value"])
    assert tells["gain"]["mIoU"]["value"] > heads["gain"]["mIoU"]["value"] > 0
    share = heads["gain"]["mIoU"]["value"] / tells["gain"]["mIoU"]["value"]
    assert heads["closed"]["mIoU"] == pytest.approx(share)
    assert tells["closed"]["mIoU"] == 1


def test_no_share_of_a_lead_that_there_is_not(document, data, tmp_path):
    turned = comparison(data, tmp_path, "second.json", "experts.json")
    overlooks = run_oracle(turned, CS3Config(), silent, 50)
    for rows in (document["rows"], overlooks["rows"]):
        for name, lead in rows[-1]["gain"].items():
            ahead = lead["high"] < 0 if name == "length error" else lead["low"] > 0
            assert all((row["closed"][name] is not None) == ahead for row in rows)
    assert overlooks["rows"][0]["closed"]["mIoU"] is None  # the pipeline finds more than the one who tells
    assert document["rows"][0]["closed"]["mIoU"] == 0


def test_true_heads_are_the_first_experts(document):
    rows = {row["name"]: row for row in document["rows"]}
    base, heads = (rows[name]["figures"]["head IoU"]["value"] for name in ("as it is", "true heads"))
    assert base < 0.9
    assert heads == 1  # both experts drew the same heads


def test_document_is_json_and_reads_well(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    text = as_markdown(document)
    assert "2 images; figures averaged over 2 truths; told by experts.json." in text
    figures, more, gains = (part.splitlines() for part in text.split("\n\n|")[1:])
    assert len(figures) == len(more[:-3]) == 1 + 1 + 8
    assert len(gains) == 1 + 1 + 7
    first = [cell.strip() for cell in figures[2].strip("|").split("|")]
    assert first[0] == "as it is"
    assert first[1].startswith(f"{document['rows'][0]['figures']['mIoU']['value']:.3f} [")


def test_one_expert_alone_has_no_distance(data, tmp_path):
    alone = run_oracle(comparison(data, tmp_path, "experts.json"), CS3Config(), silent, 20)
    assert [row["name"] for row in alone["rows"]] == list(ROWS)
    assert all(share is None for row in alone["rows"] for share in row["closed"].values())
    assert "%)" not in as_markdown(alone)


def test_resume_repeats_nothing_but_what_another_truth_tells(data, tmp_path):
    def encoded(*truths):
        model = ColourModel()
        run_oracle(
            comparison(data, tmp_path / "out", *truths, model=model, resume=True), CS3Config(), silent, 20
        )
        return model.encoded

    once, again = encoded(), encoded()
    assert once > 0 == again
    assert 0 < encoded("second.json", "experts.json") < once  # what it finds by itself stays the same


def test_settings_tell_rows_apart():
    rows = [Informed(name, CS3Config(), kinds, "f" * 64) for name, kinds in ROWS.items()]
    assert len({json.dumps(row.settings()) for row in rows}) == len(ROWS)
    assert "truth_sha256" not in rows[0].settings()


def test_heads_without_flagella_are_refused(data, tmp_path):
    document = json.loads((data / "experts.json").read_text())
    document["annotations"] = [a for a in document["annotations"] if a["category_id"] == 0]
    (tmp_path / "heads.json").write_text(json.dumps(document))
    with pytest.raises(AnnotationError, match=r"heads\.json: expected outlines of flagella, found only head"):
        run_oracle(comparison(data, tmp_path / "out", tmp_path / "heads.json"), CS3Config(), silent)
    assert not (tmp_path / "out").exists()
