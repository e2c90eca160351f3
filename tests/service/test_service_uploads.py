"""Bodies from strangers: whatever arrives, in whatever pieces, is received whole or refused clearly."""

import asyncio
import io
import struct
import zipfile
from itertools import pairwise

import pytest
from asking import client_of, picture
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.blobs import open_blobs
from service.errors import ProblemError
from service.names import clean_name, unique_names
from service.settings import MIB, Settings
from service.uploads import receive

BOUNDARY = b"x" * 20
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def form(*parts):
    """A body of `(field, file name or None, content)`."""
    body = b""
    for field, name, content in parts:
        file = f'; filename="{name}"' if name is not None else ""
        head = f'Content-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode()
        body += b"--" + BOUNDARY + b"\r\n" + head + content + b"\r\n"
    return body + b"--" + BOUNDARY + b"--\r\n"


class Request:
    """As much of a request as receiving needs."""

    def __init__(self, body, cuts=(), kind=FORM, **headers):
        self.headers = {"content-type": kind} | headers
        edges = [0, *sorted(cuts), len(body)]
        self._pieces = [body[a:b] for a, b in pairwise(edges)]

    async def stream(self):
        for piece in self._pieces:
            yield piece


def received(folder, request, **changes):
    """What is received: the upload, and the content of every file."""
    limits = Settings(data=folder, **changes)
    blobs = open_blobs(str(folder / "blobs"))
    writer = blobs.writer("jobs/j/images/upload")
    try:
        upload = asyncio.run(receive(request, writer, limits, frozenset({"images", "image"})))()
        writer.commit()
    finally:
        writer.abort()
    files = [blobs.get("jobs/j/images/upload", file.start, file.length) for file in upload.files]
    blobs.remove("jobs")
    return upload, files


def refused(folder, request, **changes):
    """The problem with which it is refused."""
    with pytest.raises(ProblemError) as caught:
        received(folder, request, **changes)
    return caught.value


def status_of(folder, request):
    """The status of the problem with which it is refused; 200 where it is received."""
    try:
        received(folder, request)
    except ProblemError as problem:
        return problem.status
    return 200


def archive(**entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in entries.items():
            zipped.writestr(name, data)
    return content.getvalue()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.data())
def test_however_a_body_is_cut_it_is_received_whole(tmp_path, contents, data):
    contents = [b"" if c.startswith((b"PK\3\4", b"PK\5\6")) else c for c in contents]
    body = form(*(("images", f"{n}.png", c) for n, c in enumerate(contents)), ("name", None, "früh".encode()))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=30))
    upload, files = received(tmp_path, Request(body, cuts))
    assert files == contents
    assert upload.fields == {"name": "früh"}
    whole, _ = received(tmp_path, Request(body))
    assert upload.digest() == whole.digest()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.binary(max_size=300), st.booleans())
def test_no_body_does_anything_but_be_received_or_refused(tmp_path, noise, framed):
    body = form(("images", "a.png", b"x")).replace(b"x\r\n", noise) if framed else noise
    assert status_of(tmp_path, Request(body)) < 500


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_no_zip_does_anything_but_be_unpacked_or_refused(tmp_path, noise, place, value):
    sound = archive(**{"a.png": picture()})
    broken = bytearray(sound)
    broken[place % len(broken)] = value
    for content in (bytes(broken), b"PK\x03\x04" + noise, sound[: place + 4]):
        assert status_of(tmp_path, Request(form(("images", "a.zip", content)))) < 500


def test_the_order_of_the_boundary_says_nothing(tmp_path):
    one = Request(form(("images", "a.png", b"1"), ("name", None, b"n")))
    other_body = form(("images", "a.png", b"1"), ("name", None, b"n")).replace(BOUNDARY, b"y" * 10)
    other = Request(other_body, kind="multipart/form-data; boundary=yyyyyyyyyy")
    assert received(tmp_path, one)[0].digest() == received(tmp_path, other)[0].digest()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 415),
        (b"", "", 415),
        (b"", "multipart/form-data", 400),
        (b"", f"multipart/form-data; boundary={'x' * 201}", 400),
        (b"", f"multipart/form-data; boundary={BOUNDARY.decode()}", 400),
        (form(("images", "a.png", b"1"))[:-30], f"multipart/form-data; boundary={BOUNDARY.decode()}", 400),
        (b"no form at all", f"multipart/form-data; boundary={BOUNDARY.decode()}", 400),
        (form(("images", "a.png", b"1")).replace(b'; name="images"', b""), None, 400),
        (form(("name", None, b"\xff")), None, 422),
        (form(("name", None, b"a"), ("name", None, b"b")), None, 422),
        (form(("name", None, b"a" * 300_000)), None, 413),
        (form(*(("f", None, b"") for _ in range(70))), None, 422),
        (form(*((f"f{n}", None, b"") for n in range(70))), None, 400),
        (form(("images", "a" * 5000, b"")), None, 400),
    ],
)
def test_what_is_no_form_is_refused(tmp_path, body, kind, status):
    request = Request(body) if kind is None else Request(body, kind=kind)
    assert refused(tmp_path, request).status == status


def test_sizes_are_limited_while_they_arrive(tmp_path):
    large = form(("images", "a.png", b"1" * (2 * MIB)))
    announced = Request(large, **{"content-length": str(len(large))})
    assert refused(tmp_path, announced, max_body_bytes=MIB).status == 413
    assert refused(tmp_path, Request(large), max_body_bytes=MIB).status == 413
    assert refused(tmp_path, Request(large), max_image_bytes=MIB).status == 413
    many = form(*(("images", "a.png", b"1") for _ in range(6)))
    assert refused(tmp_path, Request(many), max_files=5).status == 413


def test_a_body_that_stops_is_not_waited_for(tmp_path):
    class Slow(Request):
        async def stream(self):
            yield form(("images", "a.png", b"1"))[:50]
            await asyncio.sleep(30)

    assert refused(tmp_path, Slow(b""), body_timeout=0.1).status == 408


def test_a_body_that_trickles_is_not_waited_for(tmp_path):
    class Trickle(Request):
        async def stream(self):
            for byte in form(("images", "a.png", b"1" * 1000)):
                yield bytes([byte])
                await asyncio.sleep(0.02)

    assert refused(tmp_path, Trickle(b""), body_timeout=0.1).status == 408


def test_a_whole_body_may_be_a_zip(tmp_path):
    upload, files = received(
        tmp_path, Request(archive(**{"a.png": b"1", "b.png": b"2"}), kind="application/zip")
    )
    assert ([file.name for file in upload.files], files) == (["a.png", "b.png"], [b"1", b"2"])


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b.png", "C:\\a.png", "..\\a.png"])
def test_names_that_point_out_of_a_zip_are_refused(tmp_path, name):
    problem = refused(tmp_path, Request(form(("images", "a.zip", archive(**{name: b"1"})))))
    assert (problem.status, problem.kind) == (422, "zip-path")


def test_links_passwords_and_nests_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("a.png")
    link.external_attr = 0o120777 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    kinds = [content.getvalue(), archive(**{"b.zip": archive(a=b"1")}), archive(**{"b.png": archive(a=b"1")})]
    locked = bytearray(archive(**{"a.png": b"1"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", locked, locked.index(signature) + offset, 1)
    found = [refused(tmp_path, Request(form(("images", "a.zip", c)))).kind for c in (*kinds, bytes(locked))]
    assert found == ["zip-path", "nested-zip", "nested-zip", "zip-encrypted"]


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    bomb = archive(**{"a.png": b"0" * (40 * MIB)})
    assert len(bomb) < MIB
    assert refused(tmp_path, Request(form(("images", "a.zip", bomb)))).status == 413
    many = archive(**{f"{n}.png": b"1" for n in range(30)})
    assert refused(tmp_path, Request(form(("images", "a.zip", many))), max_files=20).status == 413


def test_a_header_that_lies_about_a_size_is_not_believed(tmp_path):
    bomb = bytearray(archive(**{"a.png": b"0" * (40 * MIB)}))
    struct.pack_into("<I", bomb, bomb.index(b"PK\x01\x02") + 24, 100)
    problem = refused(tmp_path, Request(form(("images", "a.zip", bytes(bomb)))))
    assert problem.status in (413, 422)


def test_a_zip_without_images_is_refused(service):
    with client_of(service) as client:
        files = {"images": ("a.zip", archive(**{"notes.txt": b"1"}))}
        answer = client.post("/v1/jobs", files=files)
        none = client.post("/v1/jobs", files={"images": ("a.txt", b"hello")})
        empty = client.post("/v1/jobs", files={"images": ("a.png", b"")})
        nothing = client.post("/v1/jobs", files={"image": ("a.png", picture())})
    assert (answer.status_code, "1 entries of the zip" in answer.json()["detail"]) == (422, True)
    assert (none.status_code, empty.status_code, nothing.status_code) == (415, 422, 422)
    assert service.blobs.list("jobs") == []


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("smear.png", "smear.png"),
        ("C:\\patients\\müller.png", "müller.png"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\r\n\u202ec.png", "abc.png"),
        ('<img src="x">.png', "_img src=_x__.png"),
        ("...", "image"),
        ("", "image"),
        ("x" * 300 + ".tiff", "x" * 145 + ".tiff"),
    ],
)
def test_names_are_cleaned(name, cleaned):
    assert clean_name(name) == cleaned


@given(st.text())
def test_a_cleaned_name_is_safe(name):
    cleaned = clean_name(name)
    assert cleaned
    assert clean_name(cleaned) == cleaned
    assert not set(cleaned) & set('/\\:*?"<>|\r\n\x00')
    assert cleaned not in (".", "..")
    assert len(cleaned) <= 150


@given(st.lists(st.sampled_from(["a.png", "A.png", "a (2).png", "b"]), max_size=12))
def test_names_are_made_unique(names):
    made = unique_names(names)
    assert len({name.casefold() for name in made}) == len(names)
    assert unique_names(["a.png", "a.png", "b"]) == ["a.png", "a (2).png", "b"]
