import errno
import os
from pathlib import Path

import pytest

from cascade.errors import OutputError
from cascade.exports.atomic import clear_parts, whole_file, whole_text, write_bytes


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_file_appears_when_the_block_ends(tmp_path):
    with whole_text(tmp_path / "new" / "a.txt") as handle:
        handle.write("µ\n")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"\xc2\xb5\n"
    assert names(tmp_path) == ["a.txt", "new"]


def test_error_in_the_block_leaves_the_old_file(tmp_path):
    write_bytes(tmp_path / "a", b"old")

    def fail_half_way():
        with whole_file(tmp_path / "a") as part:
            part.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "not allowed"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "error"),
    ],
)
def test_disk_that_refuses_is_an_output_error(tmp_path, monkeypatch, code, message):
    def refuse(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=message):
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == []


def test_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="a file is where a folder should be"):
        write_bytes(tmp_path / "a" / "b", b"")


def test_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="a folder is where the file should be"):
        write_bytes(tmp_path / "a", b"")


def test_long_names_can_be_written(tmp_path):
    write_bytes(tmp_path / ("x" * 250), b"whole")
    assert names(tmp_path) == ["x" * 250]


def test_leftovers_are_cleared_and_nothing_else(tmp_path):
    killed: Path | None = None
    with whole_file(tmp_path / "sub" / "a") as part:
        part.write_bytes(b"half")
        killed = part.with_name(part.name.replace(".a.", ".b."))
        killed.write_bytes(b"half")
    (tmp_path / ".mine").touch()
    clear_parts(tmp_path)
    assert names(tmp_path) == [".mine", "a", "sub"]
