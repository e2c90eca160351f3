"""Event streams and zips from the service, also damaged and hostile ones."""

import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client.errors import ServiceError
from service.client.streams import EventParser
from service.client.unpacking import unpack

IMAGE = {"number": 1, "file_name": "a.png", "state": "running"}


def read(parser, text):
    return [event for line in text.split("\n") if (event := parser.feed(line))]


def test_an_event():
    parser = EventParser()
    events = read(parser, f": hello\nretry: 100\nid: 5\nevent: image\ndata:{json.dumps(IMAGE)}\n\n")
    assert [(one.number, one.state) for one in events] == [(1, "running")]
    assert parser.last_id == "5"


def test_an_event_counts_when_it_is_whole():
    parser = EventParser("4")
    assert read(parser, f"id: 5\nevent: image\ndata: {json.dumps(IMAGE)}") == []
    assert parser.last_id == "4"
    parser.begin()
    assert read(parser, "\n") == []
    assert parser.last_id == "4"


def test_unknown_events_are_passed_over():
    parser = EventParser()
    assert read(parser, "id: 9\nevent: weather\ndata: rain\n\nevent: image\n\n") == []
    assert parser.last_id == "9"


@given(st.text(alphabet="id: evntagm\n\0é", max_size=60))
def test_no_line_is_too_strange(text):
    assert read(EventParser(), text + "\n\n") == []


def archive(path, **entries):
    with zipfile.ZipFile(path, "w") as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return path


def test_a_zip_becomes_files(tmp_path):
    source = archive(tmp_path / "r.zip", **{"sperm.csv": "a,b\n", "overlays/x.png": "picture", "empty/": ""})
    written = unpack(source, tmp_path / "out")
    assert [path.read_text() for path in written] == ["a,b\n", "picture"]
    assert written[1] == tmp_path / "out" / "overlays" / "x.png"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:/evil", "a\\..\\evil"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    source = archive(tmp_path / "r.zip", **{"fine.csv": "", name: "x"})
    with pytest.raises(ServiceError, match="expected file names below the folder"):
        unpack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_zip(tmp_path):
    source = archive(tmp_path / "r.zip", a="content " * 100)
    content = bytearray(source.read_bytes())
    for damaged in (content[:50], b"", content[:60] + b"XXXX" + content[64:]):
        source.write_bytes(bytes(damaged))
        with pytest.raises(ServiceError, match="fetch it again"):
            unpack(source, tmp_path / "out")
        assert not (tmp_path / "out" / "a").exists()
