"""The public interface: few names, all of them there, and cheap to import."""

import subprocess
import sys

import pytest

import cascade


def python(code):
    """Standard output of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names_are_few_and_all_there():
    assert len(cascade.__all__) <= 10
    assert len(set(cascade.__all__)) == len(cascade.__all__)
    for name in cascade.__all__:
        assert getattr(cascade, name).__name__ == name
    assert set(cascade.__all__) <= set(dir(cascade))


def test_the_library_is_used_as_its_description_says():
    from cascade import CS3Config, load_model, segment

    assert callable(segment)
    assert callable(load_model)
    assert CS3Config() == CS3Config()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'cascade' has no attribute 'segmnt'"):
        cascade.segmnt  # noqa: B018


def test_importing_the_package_imports_neither_torch_nor_arrays():
    loaded = python("import cascade, sys; print(*sorted({'torch', 'numpy', 'cv2'} & set(sys.modules)))")
    assert loaded == ""


def test_the_stages_do_without_torch():
    loaded = python("import cascade.pipeline, cascade.explain, sys; print('torch' in sys.modules)")
    assert loaded == "False"
