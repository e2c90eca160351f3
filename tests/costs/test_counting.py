import numpy as np
from drawn_smears import ColourModel, smear

from cascade.costs.counting import CountingModel
from cascade.prompts import as_prompts


def test_counts_what_is_asked_and_passes_it_on():
    plain, counting = ColourModel(), CountingModel(ColourModel())
    assert (counting.name, counting.sha256) == ("colours", "c" * 64)
    encoding = counting.encode(smear(), 18.0)
    counting.encode(smear(), 18.0)
    np.testing.assert_array_equal(encoding.dense.head, plain.encode(smear(), 18.0).dense.head)
    heads = as_prompts([np.array([[60.0, 60.0]]), np.array([[60.0, 120.0]]), np.array([[300.0, 180.0]])])
    tails = as_prompts([np.array([[100.0, 60.0], [120.0, 60.0]])])
    expected = plain.encode(smear(), 18.0).decode(heads, "head")
    np.testing.assert_array_equal(encoding.decode(heads, "head").logits, expected.logits)
    encoding.decode(tails, "tail")
    assert counting.counts.encodings == 2
    assert counting.counts.batches == 2
    assert counting.counts.prompts == {"head": 3, "tail": 1}


def test_each_wrapper_counts_for_itself():
    model = ColourModel()
    first, second = CountingModel(model), CountingModel(model)
    first.encode(smear(), 18.0)
    assert (first.counts.encodings, second.counts.encodings) == (1, 0)
