"""A configuration is frozen, knows its keys and ranges, and names what is wrong."""

import pytest
from pydantic import BaseModel, ValidationError

from cascade.config import CS3Config, HeadsConfig
from cascade.errors import ConfigError


def stages(config):
    return {name: getattr(config, name) for name in CS3Config.model_fields}


def test_a_configuration_cannot_be_changed():
    config = CS3Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.heads = HeadsConfig()
    for stage in stages(config).values():
        key = next(iter(type(stage).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(stage, key, getattr(stage, key))


def test_every_key_has_a_meaning():
    for name, stage in stages(CS3Config()).items():
        assert isinstance(stage, BaseModel)
        for key, field in type(stage).model_fields.items():
            assert field.description, f"{name}.{key}"


def test_a_toml_file_changes_what_it_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[heads]\nrounds = 2\n[preprocess]\nhead_length_px = 41.5\n")
    config = CS3Config.from_toml(path)
    assert config.heads == HeadsConfig(rounds=2)
    assert config.preprocess.head_length_px == 41.5
    assert config.tails == CS3Config().tails


def test_an_empty_file_is_the_default(tmp_path):
    (tmp_path / "empty.toml").touch()
    assert CS3Config.from_toml(tmp_path / "empty.toml") == CS3Config()


@pytest.mark.parametrize("config", [CS3Config(), CS3Config.paper()])
def test_values_survive_being_written_and_read(config):
    assert CS3Config.parse(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"heads": {"round": 3}}, r"heads\.round.*found 3"),
        ({"had": {}}, "had"),
        ({"heads": {"rounds": 0}}, r"heads\.rounds.*greater than or equal to 1.*found 0"),
        ({"heads": {"rounds": "many"}}, r"heads\.rounds.*'many'"),
        ({"heads": {"prompts": "everywhere"}}, r"heads\.prompts.*'foreground' or 'grid'"),
        ({"tails": {"probability": 1.0}}, r"tails\.probability.*less than 1"),
        ({"tails": {"gap_hl": -0.1}}, r"tails\.gap_hl.*-0\.1"),
        ({"tails": {"min_bend_deg": 181}}, r"tails\.min_bend_deg.*180"),
        ({"knots": {"enlarge": 0.5}}, r"knots\.enlarge"),
        ({"preprocess": {"head_length_px": 0}}, r"preprocess\.head_length_px.*greater than 0"),
        ({"matching": 3}, "matching"),
    ],
)
def test_a_wrong_value_is_named(values, named):
    with pytest.raises(ConfigError, match=named):
        CS3Config.parse(values)


def test_every_wrong_value_is_named_at_once():
    with pytest.raises(ConfigError, match=r"heads\.rounds.*tails\.unknown"):
        CS3Config.parse({"heads": {"rounds": -1}, "tails": {"unknown": 1}})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[heads\nrounds = 3", "not valid TOML"),
        (b"\xff\xfe", "cannot be read"),
        (b"[heads]\nrounds = 0", r"heads\.rounds"),
        (b"rounds = 3", "rounds"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path, content, why):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"bad\.toml.*{why}"):
        CS3Config.from_toml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml.*cannot be read"):
        CS3Config.from_toml(tmp_path / "absent.toml")


def test_the_paper_in_head_lengths_of_36_px():
    paper = CS3Config.paper()
    assert paper.preprocess.foreground == "whitening"
    assert paper.heads.prompts == paper.tails.prompts == "grid"
    assert paper.heads.grid_side == paper.tails.grid_side == 32
    assert paper.heads.min_purple == 0.4
    assert paper.tails.spur_hl * 36 == pytest.approx(25)
    assert paper.tails.gap_hl * 36 == pytest.approx(25)
    assert paper.tails.min_bend_deg == 130
    assert paper.matching.max_distance_hl * 36 == pytest.approx(20)
    assert paper.matching.max_angle_deg == 60
    assert not paper.tails.use_direction
    assert not paper.matching.use_direction
