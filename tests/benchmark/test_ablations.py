"""CS3's ablations as methods, on smears drawn by hand."""

import json

import pytest
from drawn_smears import ColourModel, smear

from cascade.benchmark.ablations import ABLATIONS, WHOLE, ablation, variants
from cascade.comparators.cs3 import CS3
from cascade.config import CS3Config
from cascade.errors import ConfigError


def found(name):
    return ablation(name, ColourModel(), CS3Config()).predict(smear())


def own_tails(sperm):
    """x of the left edge of every complete sperm's tail."""
    return sorted(one.parts["tail"].x0 for one in sperm if len(one.parts) == 2)


def test_built_up_the_cascade_finds_more_and_more():
    heads_alone = found("cs3:to-S1")
    assert [list(one.parts) for one in heads_alone] == [["head"]] * 3
    assert sum("tail" in one.parts for one in found("cs3:to-S2")) == 4  # the fourth is the stray one


def test_without_rules_the_nearest_end_is_joined():
    assert own_tails(found("cs3:to-knots"))[0] < 55 < own_tails(found("cs3:to-matching"))[0]


def test_the_whole_is_the_pipeline():
    whole, plain = ablation(WHOLE, ColourModel(), CS3Config()), CS3(ColourModel())
    assert (whole.name, whole.identity) == (plain.name, plain.identity)


def test_identities_differ_where_the_ways_do():
    methods = [ablation(name, ColourModel(), CS3Config()) for name in ABLATIONS]
    assert [method.name for method in methods] == list(ABLATIONS)
    assert len({method.identity for method in methods}) == len(methods)


def test_variants_start_from_the_configuration_given():
    config = CS3Config().changed(heads={"min_score": 0.7}, tails={"rounds": 5})
    ways = variants(config)
    assert len({(way.config.model_dump_json(), way.rules) for way in ways.values()}) == len(ways)
    assert {way.config.heads.min_score for way in ways.values()} == {0.7}
    built_up = [name for name in ways if name.startswith("cs3:to-")]
    steps = [
        (w.config.tails.rounds, w.config.knots.enabled, w.rules, w.config.joining.enabled)
        for w in map(ways.get, built_up)
    ]
    assert steps == [
        (0, False, False, False),
        (1, False, False, False),
        (5, False, False, False),
        (5, True, False, False),
        (5, True, True, False),
        (5, True, True, True),
    ]
    assert ways[WHOLE].config == config
    assert not any(ways[name].config.looks.enabled for name in built_up)
    assert not ways["cs3:no-direction"].config.tails.use_direction
    assert not ways["cs3:no-direction"].config.matching.use_direction
    json.dumps([way.config.model_dump(mode="json") for way in ways.values()])


def test_a_changed_configuration_is_checked():
    with pytest.raises(ConfigError, match=r"tails\.rounds"):
        CS3Config().changed(tails={"rounds": -1})
    with pytest.raises(ConfigError, match="soup"):
        CS3Config().changed(soup={"salt": 1})
