"""The client against a service that is busy, absent, breaks off, or says more than expected."""

import inspect
import json
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from service.client import (
    AsyncClient,
    Client,
    FailedImage,
    ImageFailedError,
    Patience,
    ProblemError,
    ServiceError,
    UnreachableError,
)

WHEN = "2026-03-01T08:00:00Z"


def counts(**more):
    return {"images": 1, "queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0} | more


def image(number=1, state="succeeded", **more):
    return {"number": number, "file_name": f"{number}.png", "state": state} | more


def job(state="succeeded", images=(), **more):
    done = state not in ("queued", "running")
    return {
        "id": "j1",
        "kind": "job",
        "name": "",
        "state": state,
        "counts": counts(images=len(images)),
        "sperm": 0,
        "complete": 0,
        "created_at": WHEN,
        "started_at": None,
        "finished_at": WHEN if done else None,
        "images_expire_at": None,
        "images_deleted_at": None,
        "deleted_at": None,
        "settings": {},
        "links": {},
        "images": list(images),
    } | more


def segmentation(number=1, **more):
    return {
        "job_id": "j1",
        "number": number,
        "file_name": f"{number}.png",
        "image_sha256": "0" * 64,
        "width": 4,
        "height": 3,
        "pixel_size_um": None,
        "head_length_px": 36.0,
        "head_length_source": "image width",
        "sperm": [],
        "timings": {"waited": 0.0, "total": 1.0, "stages": {}},
        "model": {"name": "tiny", "sha256": "0" * 64},
        "version": "0.1.0",
    } | more


def access(**more):
    limits = {"max_body_bytes": 1000, "max_image_pixels": 10**8, "max_files": 3}
    who = {"key_required": False, "name": None, "scopes": [], "version": "0.1.0"}
    return who | limits | {"image_retention_days": 1, "result_retention_days": None} | more


def problem(status=422, **more):
    said = {"type": "urn:cs3:problem:x", "title": "Not an image", "detail": "Found a text.", "instance": "i"}
    return httpx.Response(
        status, json=said | {"status": status, "action": "Send a PNG.", "errors": []} | more
    )


def event(number, kind, /, **data):
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after what it has."""

    def __init__(self, text):
        self.content = text.encode()

    def __iter__(self):
        yield self.content
        raise httpx.ReadError("cut off")

    async def __aiter__(self):
        yield self.content
        raise httpx.ReadError("cut off")


class Plain:
    """An asynchronous client or job as if it were a plain one: every call runs a loop of its own."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if not inspect.ismethod(found):
            return found

        def call(*arguments, **options):
            answer = found(*arguments, **options)
            if inspect.iscoroutine(answer):

                async def run():
                    return await answer

                answer = anyio.run(run)
            elif inspect.isasyncgen(answer):

                async def collect():
                    return [one async for one in answer]

                return anyio.run(collect)
            return Plain(answer) if type(answer).__name__ == "AsyncJob" else answer

        return call


@pytest.fixture
def waits(monkeypatch):
    """Seconds that clients waited; nobody really waits."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("service.client.sync.time.sleep", waited.append)
    monkeypatch.setattr("service.client.asynchronous.anyio.sleep", sleep)
    return waited


@pytest.fixture(params=["sync", "async"])
def connect(request, waits):
    """`connect(answers…)`: a client whose requests are answered one after the other, and the requests."""

    def make(*answers, patience=None):
        left, asked = list(answers), []

        def handle(request):
            request.read()
            asked.append(request)
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

        async def handle_async(request):
            await request.aread()
            return handle(request)

        if request.param == "sync":
            return Client("http://lab", transport=httpx.MockTransport(handle), patience=patience), asked
        client = AsyncClient("http://lab", transport=httpx.MockTransport(handle_async), patience=patience)
        return Plain(client), asked

    return make


def test_segment_sends_image_and_settings(connect, tmp_path):
    client, asked = connect(segmentation())
    path = tmp_path / "smear.png"
    path.write_bytes(b"picture")
    found = client.segment(path, pixel_size_um=0.1, config={"tails": {"rounds": 5}})
    assert (found.width, found.height, found.sperm) == (4, 3, [])
    body = asked[0].content
    assert b'name="image"; filename="smear.png"' in body
    assert b"picture" in body
    assert b"0.1" in body
    assert b'{"tails": {"rounds": 5}}' in body


def test_segment_waits_for_an_image_that_takes_long(connect, waits):
    accepted = httpx.Response(202, json=job("queued", [image(state="queued")]))
    client, asked = connect(accepted, job("running"), job("succeeded", [image()]), segmentation())
    assert client.segment(b"picture").number == 1
    assert asked[-1].url.path == "/v1/jobs/j1/images/1/result"
    assert len(waits) == 2


def test_segment_says_why_an_image_failed(connect):
    failed = job("failed", [image(state="failed", error="expected a PNG, found a text")])
    client, _ = connect(httpx.Response(202, json=failed))
    with pytest.raises(ImageFailedError, match=r"1\.png: expected a PNG, found a text"):
        client.segment(b"picture")


def test_a_key_is_sent(waits):
    def handle(request):
        return httpx.Response(200, json=access(name=request.headers["Authorization"]))

    with Client("http://lab", key="cs3_abc", transport=httpx.MockTransport(handle)) as client:
        assert client.about().name == "Bearer cs3_abc"


def test_retry_after_is_respected(connect, waits):
    busy = [problem(429), problem(503)]
    busy[0].headers["Retry-After"] = "7"
    busy[1].headers["Retry-After"] = "0"
    client, asked = connect(*busy, access())
    client.about()
    assert waits == [7, 0]
    assert len(asked) == 3


def test_a_wait_too_long_is_not_waited(connect, waits):
    busy = problem(429, title="Too busy")
    busy.headers["Retry-After"] = "3600"
    client, _ = connect(busy)
    with pytest.raises(ProblemError, match="Too busy"):
        client.about()
    assert waits == []


def test_waits_that_the_service_asks_for_end_too(connect, waits):
    busy = [problem(503, title="Not ready") for _ in range(20)]
    for answer in busy:
        answer.headers["Retry-After"] = "5"
    client, asked = connect(*busy, patience=Patience(tries=2, longest=52))
    with pytest.raises(ProblemError, match="Not ready"):
        client.about()
    assert (len(asked), sum(waits)) == (11, 50)


def test_waits_grow_and_end(connect, waits):
    client, asked = connect(*[httpx.ConnectError("refused")] * 4, patience=Patience(tries=4, first=1))
    with pytest.raises(UnreachableError, match="after 4 tries"):
        client.about()
    assert len(asked) == 4
    assert len(waits) == 3
    assert waits[0] < waits[1] < waits[2]


def test_an_image_is_not_segmented_twice_unasked(connect, waits):
    client, asked = connect(httpx.ReadError("cut off"))
    with pytest.raises(UnreachableError, match="http://lab"):
        client.segment(b"picture")
    assert len(asked) == 1


def test_an_image_that_never_left_is_sent_again(connect):
    client, asked = connect(httpx.ConnectError("refused"), segmentation())
    client.segment(b"picture")
    assert len(asked) == 2


def test_a_refusal_is_told_and_not_repeated(connect):
    errors = [{"field": "pixel_size_um", "message": "expected above 0, found -1"}]
    client, asked = connect(problem(422, errors=errors))
    with pytest.raises(ProblemError) as caught:
        client.segment(b"picture")
    assert str(caught.value) == (
        "Not an image: Found a text. pixel_size_um: expected above 0, found -1 Send a PNG."
    )
    assert caught.value.status == 422
    assert len(asked) == 1


def test_a_refusal_by_something_else_is_put_into_words(connect):
    client, _ = connect(httpx.Response(413, html="<h1>nginx</h1>"))
    with pytest.raises(ProblemError, match=r"HTTP 413 .*http://lab/v1/segmentations, found another"):
        client.segment(b"picture")


def test_what_is_new_in_a_newer_service_is_passed_over(connect):
    client, _ = connect(segmentation(mood="good", model={"name": "t", "sha256": "0", "age": 3}))
    assert client.segment(b"picture").model.name == "t"


def test_submitting_a_folder_repeats_with_the_same_key(connect, tmp_path):
    for name in ("b.png", "a.jpg", ".hidden.png", "notes.txt", "below/c.TIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    accepted = httpx.Response(202, json=job("queued"))
    client, asked = connect(access(), httpx.ReadError("cut off"), accepted)
    assert client.submit(tmp_path, name="slides").id == "j1"
    first, second = asked[1:]
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    for request in (first, second):  # files are read again from their start
        names = [line for line in request.content.split(b"\r\n") if b"filename=" in line]
        assert [line.split(b"filename=")[1] for line in names] == [b'"a.jpg"', b'"b.png"', b'"below/c.TIF"']
        assert request.content.count(b"a.jpg") == 2
        assert b"slides" in request.content


def test_too_much_is_said_before_it_is_sent(connect, tmp_path):
    client, asked = connect(access(), access())
    with pytest.raises(ServiceError, match="at most 3 files a job"):
        client.submit([image_path(tmp_path, n) for n in range(4)])
    with pytest.raises(ServiceError, match="make several jobs"):
        client.submit(image_path(tmp_path, 9, b"x" * 1001))
    assert [request.url.path for request in asked] == ["/v1/access"] * 2


def image_path(folder, number, content=b"x"):
    path = folder / f"{number}.png"
    path.write_bytes(content)
    return path


def test_many_files_need_few_handles(connect, tmp_path):
    resource = pytest.importorskip("resource")
    files = [image_path(tmp_path, number) for number in range(200)]
    client, asked = connect(access(max_files=1000), httpx.Response(202, json=job("queued")))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    try:
        client.submit(files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert asked[1].content.count(b"filename=") == 200


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.png", "found nothing"),
        (lambda folder: folder, "expected a folder with images"),
        (lambda folder: [], "expected at least one image"),
    ],
)
def test_nothing_to_send(connect, tmp_path, make, message):
    client, asked = connect()
    with pytest.raises(ServiceError, match=message):
        client.submit(make(tmp_path))
    assert asked == []


def test_events_go_on_after_the_last_one(connect, waits):
    first = event(1, "image", **image(1)) + ": beat\n\n" + "id: 2\nevent: image\n"
    second = event(2, "image", **image(2)) + event(3, "job", state="succeeded", counts=counts())
    client, asked = connect(httpx.Response(200, stream=Broken(first)), httpx.Response(200, text=second))
    told = list(client.job("j1").events())
    assert [getattr(one, "number", "job") for one in told] == [1, 2, "job"]
    assert "Last-Event-ID" not in asked[0].headers
    assert asked[1].headers["Last-Event-ID"] == "1"


def test_events_end_with_a_job_that_is_done(connect):
    client, _ = connect(httpx.Response(200, text=""), job("cancelled"))
    assert list(client.job("j1").events()) == []


def test_each_result_comes_once(connect, waits):
    lines = [json.dumps(segmentation(n)) + "\n" for n in (1, 2)]
    failed = json.dumps({"job_id": "j1", "number": 3, "file_name": "3.png", "error": "no image"}) + "\n"
    client, asked = connect(
        httpx.Response(200, stream=Broken(lines[0] + lines[1][:40])),
        httpx.Response(200, text=lines[0] + lines[1]),  # the service was stopped, politely
        job("running"),
        httpx.Response(200, text=lines[0] + lines[1] + failed),
        job("succeeded", [image(n) for n in (1, 2)] + [image(3, "failed")]),
    )
    answers = list(client.job("j1").results())
    assert [one.number for one in answers] == [1, 2, 3]
    assert answers[2] == FailedImage(3, "3.png", "no image")
    assert asked[0].url.params["wait"] == "true"


def test_a_stream_that_never_works_is_given_up(connect, waits):
    client, _ = connect(
        *[httpx.Response(200, stream=Broken("")) for _ in range(3)], patience=Patience(tries=3, first=0)
    )
    with pytest.raises(UnreachableError, match="cut off"):
        list(client.job("j1").results())


def test_a_download_appears_whole(connect, tmp_path, waits):
    client, asked = connect(
        httpx.Response(200, stream=Broken("half")), httpx.Response(200, content=b"the whole")
    )
    path = client.job("j1").download(tmp_path / "deep" / "r.zip", include=["csv", "overlay"])
    assert path.read_bytes() == b"the whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["r.zip"]
    assert dict(asked[0].url.params) == {"format": "zip", "include": "csv,overlay"}


def test_jobs_come_page_by_page(connect):
    summary = {name: value for name, value in job().items() if name != "images"}
    pages = [
        {"jobs": [summary | {"id": name} for name in names], "next_cursor": cursor}
        for names, cursor in (("ab", "next"), ("c", None))
    ]
    client, asked = connect(*pages)
    assert [one.id for one in client.jobs(page=2)] == ["a", "b", "c"]
    assert asked[1].url.params["cursor"] == "next"


def test_reviews(connect):
    kept = {"rejected": True, "comment": "two tails", "at": WHEN, "by": "local"}
    client, asked = connect(kept, httpx.Response(204))
    remote = client.job("a/b")
    assert remote.review(2, 7, rejected=True, comment="two tails").comment == "two tails"
    assert remote.review(2, 7) is None
    assert asked[0].url.raw_path == b"/v1/jobs/a%2Fb/images/2/reviews/7"
    assert json.loads(asked[0].content) == {"rejected": True, "comment": "two tails"}


@pytest.mark.parametrize("url", ["lab", "ftp://lab", "http://", "http://lab:port"])
def test_addresses_that_are_none(url):
    with pytest.raises(ServiceError, match=r"expected an address such as http://127\.0\.0\.1:8080"):
        Client(url)


def test_keys_that_are_none():
    with pytest.raises(ServiceError, match="expected an API key"):
        Client("http://lab", key="two words")


def test_retry_after_as_a_date():
    from service.client.retrying import retry_after

    now = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    assert retry_after({"retry-after": "Sun, 01 Mar 2026 08:00:30 GMT"}, now) == 30
    assert retry_after({"retry-after": "Sun, 01 Mar 2026 07:00:00 GMT"}, now) == 0
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({}, now) is None


def test_suffixes_are_those_of_the_library():
    from cascade.images import SUFFIXES
    from service.client import files

    assert files.SUFFIXES == SUFFIXES


def test_the_client_needs_no_heavy_library():
    import subprocess
    import sys

    heavy = "{'torch', 'numpy', 'cv2', 'PIL', 'fastapi', 'sqlalchemy'}"
    script = f"import sys, service.client, service.remote; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
