"""What the service says to files and requests that mean it ill.

    python benchmarks/service/hostile.py

Everything is made by `corpus.py` and by this script, and sent to a service that it starts here. Each request
is to be refused: a 4xx, as a problem that says what to do, with nothing of the server's own in it (no
path, no trace, no host's name). Afterwards the service is to be ready, its processes the same, and a sound
image is to be segmented.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import corpus
import httpx
from running import ROOT, RunningService, parser, report

_SETTINGS = {
    "BODY_TIMEOUT": "3",
    "DECODE_TIMEOUT": "10",
    "MAX_BODY_BYTES": str(64 * corpus.MIB),
    "MAX_IMAGE_BYTES": str(32 * corpus.MIB),
    "WORKER_NICENESS": "0",
}
_TRACES = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|sqlalchemy|pydantic|uvicorn|starlette|"
    r"(?<![\w.:/])/(?:tmp|home|root|usr|var|opt|etc|proc|work|mnt|srv)/|passwd|0x[0-9a-f]{6,}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 where the connection was closed without an answer."""

    status: int
    media_type: str
    text: str


@dataclass(frozen=True)
class Case:
    """A request and what came of it; `harmless` ones may succeed."""

    group: str
    name: str
    answer: Answer
    harmless: bool = False


def main() -> None:
    """Send everything, look at every answer, and at the service afterwards."""
    options = _options()
    began = time.monotonic()
    with RunningService(_SETTINGS) as service:
        service.wait_until_ready()
        print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
        before, memory = service.processes(), service.memory()
        own = [str(service.data.parent), str(ROOT), socket.gethostname(), getpass.getuser() + "@"]
        faults: dict[str, list[str]] = defaultdict(list)
        statuses: dict[str, Counter[int]] = defaultdict(Counter)
        with httpx.Client(base_url=service.url, timeout=180) as client:
            for case in _cases(client, service.url, options.groups):
                statuses[case.group][case.answer.status] += 1
                found = _faults(case, own)
                faults[case.group] += [f"{case.name}: {one}" for one in found]
                mark = "WRONG" if found else "ok"
                print(f"{mark:6} {case.answer.status} {case.group}: {case.name}", flush=True)
                if options.verbose or found:
                    print(f"       {case.answer.text[:400]}", flush=True)
            after = _aftermath(service, client, before)
        grown = {kind: round(now - memory.get(kind, 0)) for kind, now in service.memory().items()}
        log = service.log_text(10**7)
    if "Traceback" in log:
        after.append(f"a trace in the log: {log[log.index('Traceback') :][:1500]}")
    groups = list(statuses)
    report(
        options.out,
        {"statuses": {g: dict(statuses[g]) for g in groups}, "faults": faults, "afterwards": after}
        | {"memory_growth_mib": grown},
        ["requests", "number", "answers", "not as they should be"],
        [
            [
                group,
                sum(statuses[group].values()),
                ", ".join(f"{count} × {status}" for status, count in sorted(statuses[group].items())),
                len(faults[group]),
            ]
            for group in groups
        ],
    )
    print(f"Afterwards: {'; '.join(after) or 'ready, same processes, a sound image is segmented'}")
    print(f"Memory, MiB more than before: {grown}")
    for group in groups:
        for one in faults[group]:
            print(f"WRONG: {group}: {one}", file=sys.stderr)
    sys.exit(bool(after or any(faults.values())))


def _options() -> argparse.Namespace:
    arguments = parser(__doc__, "hostile")
    arguments.add_argument("--groups", nargs="*", choices=list(_GROUPS), default=list(_GROUPS))
    arguments.add_argument("--verbose", action="store_true", help="show every answer")
    return arguments.parse_args()


def _faults(case: Case, own: list[str]) -> list[str]:
    answer = case.answer
    found = [f"tells of the server: {one}" for one in own if one in answer.text]
    if (match := _TRACES.search(answer.text)) is not None:
        found.append(f"tells of the server: {match.group()!r}")
    if case.harmless and answer.status in (200, 202):
        return [one for one in found if "passwd" not in one]
    if not 400 <= answer.status < 500:
        return [*found, f"answered {answer.status}"]
    if answer.media_type != "application/problem+json":
        return [*found, f"no problem, but {answer.media_type or 'nothing'}"]
    problem = json.loads(answer.text)
    if problem["status"] != answer.status or not problem["detail"] or not problem["action"]:
        found.append("a problem that does not say what to do")
    return found


def _aftermath(service: RunningService, client: httpx.Client, before: dict[str, int]) -> list[str]:
    wrong = []
    if not service.ready():
        wrong.append("not ready")
    if service.processes() != before:
        wrong.append("processes died and were started again")
    answer = client.post("/v1/segmentations", files={"image": corpus.sound((200, 160))})
    if answer.status_code != 200:
        wrong.append(f"a sound image gets {answer.status_code}: {answer.text[:300]}")
    return wrong


def _cases(client: httpx.Client, url: str, groups: list[str]) -> Iterator[Case]:
    for group in groups:
        yield from _GROUPS[group](client, url)


def _of(response: httpx.Response) -> Answer:
    return Answer(
        response.status_code, response.headers.get("content-type", "").partition(";")[0], response.text
    )


# -- files


def _images(client: httpx.Client, url: str) -> Iterator[Case]:
    for harmless, files in ((False, corpus.IMAGES), (True, corpus.HARMLESS)):
        for name, make in files.items():
            response = client.post("/v1/segmentations", files={"image": ("smear.png", make())})
            yield Case("images", name, _of(response), harmless)


def _zips(client: httpx.Client, url: str) -> Iterator[Case]:
    for name, make in corpus.ZIPS.items():
        yield Case("zips", name, _of(client.post("/v1/jobs", files={"images": ("smears.zip", make())})))
    whole = client.post(
        "/v1/jobs", content=corpus.ZIPS["with ../ in a name"](), headers={"Content-Type": "application/zip"}
    )
    yield Case("zips", "as the whole body, with ../ in a name", _of(whole))


# -- forms

_FIELDS: dict[str, list[tuple[str, str]]] = {
    "pixel size of words": [("pixel_size_um", "abc")],
    "pixel size below 0": [("pixel_size_um", "-1")],
    "pixel size without end": [("pixel_size_um", "1e999")],
    "pixel size that is no number": [("pixel_size_um", "nan")],
    "pixel size twice": [("pixel_size_um", "0.1"), ("pixel_size_um", "0.2")],
    "unknown preset": [("preset", "../default")],
    "unknown field": [("__proto__", "x")],
    "field with a query in it": [("name' OR 1=1 --", "x")],
    "config that is no JSON": [("config", "{tails:")],
    "config that is a list": [("config", "[1]")],
    "config of NaN": [("config", '{"tails": {"rounds": NaN}}')],
    "config of 10000 brackets": [("config", "[" * 10_000)],
    "config of 40000 nested objects": [("config", '{"a":' * 19_000)],
    "config with an unknown stage": [("config", '{"__class__": {"x": 1}}')],
    "config with an unknown key": [("config", '{"tails": {"os.system": 1}}')],
    "config out of range": [("config", '{"tails": {"rounds": 1000000000}}')],
    "config of a huge number": [("config", '{"tails": {"rounds": 1' + "0" * 5000 + "}}")],
    "config that is too long": [("config", '{"a": "' + "x" * 200_000 + '"}')],
    "config of half a surrogate": [("config", '{"tails": {"\\ud800": 1}}')],
    "100 fields": [(f"f{number}", "x") for number in range(100)],
    "field of 1 MiB": [("preset", "x" * 2**20)],
}


def _part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
    return b"--cut\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


def _forms(client: httpx.Client, url: str) -> Iterator[Case]:
    image = _part("image", corpus.sound(), "smear.png")
    for name, fields in _FIELDS.items():
        body = b"".join(_part(field, value.encode()) for field, value in fields)
        yield Case("forms", name, _form(client, body + image))
    bodies = {
        "no image": _part("preset", b"paper"),
        "two images": image + image,
        "no parts": b"",
        "text that is not UTF-8": _part("preset", b"\xff\xfe") + image,
        "part without a name": b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + image,
        "part without headers": b"--cut\r\n\r\nx\r\n" + image,
        "part with a header of 10000 bytes": b"--cut\r\nX: " + b"y" * 10_000 + b"\r\n\r\nx\r\n" + image,
        "2100 empty files": _part("image", b"", "a.png") * 2100,
        "file of 40 MiB": _part("image", corpus.sound() + bytes(40 * corpus.MIB), "a.png"),
    }
    for name, body in bodies.items():
        yield Case("forms", name, _form(client, body))
    yield Case("forms", "without its end", _form(client, image, end=b""))
    yield Case("forms", "cut in a header", _form(client, b"--cut\r\nContent-Dis", end=b""))
    yield Case("forms", "of another boundary", _form(client, image, boundary="other"))
    yield Case("forms", "of a boundary of 300", _form(client, image, boundary="x" * 300))
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""):
        answer = client.post("/v1/jobs", content=b'{"images": []}', headers={"Content-Type": kind})
        yield Case("forms", f"sent as {kind or 'nothing'}", _of(answer))


def _form(client: httpx.Client, body: bytes, boundary: str = "cut", end: bytes = b"--cut--\r\n") -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return _of(client.post("/v1/segmentations", content=body + end, headers=headers))


# -- addresses and headers


def _requests(client: httpx.Client, url: str) -> Iterator[Case]:
    files = {"images": ("a.png", corpus.sound())}
    sent = client.post("/v1/jobs", files=files, headers={"Idempotency-Key": "hostile"})
    job = sent.json()["id"]
    client.delete(f"/v1/jobs/{job}")
    other = client.post(
        "/v1/jobs", files={"images": ("b.png", b"BM")}, headers={"Idempotency-Key": "hostile"}
    )
    yield Case("requests", "key of another body", _of(other))
    long = client.post("/v1/jobs", files=files, headers={"Idempotency-Key": "k" * 5000})
    yield Case("requests", "key of 5000 characters", _of(long))
    for address in (
        "/v1/jobs/..%2f..%2fetc%2fpasswd",
        "/v1/jobs/%00",
        f"/v1/jobs/{job}'--",
        f"/v1/jobs/{'f' * 32}",
        f"/v1/jobs/{'f' * 8000}",
        f"/v1/jobs/{job}/images/-1",
        f"/v1/jobs/{job}/images/99999999999999999999",
        f"/v1/jobs/{job}/images/2/result",
        f"/v1/jobs/{job}/images/1/result?format=exe",
        f"/v1/jobs/{job}/results?format=../../x",
        "/v1/jobs?cursor=AAAA",
        "/v1/jobs?cursor=%ff%fe",
        "/v1/jobs?limit=-1",
        "/v1/jobs?limit=1e9",
        "/v1/jobs?state=%27%3B%20drop%20table%20jobs",
        "/page/..%2fapp.py",
        "/page/%2e%2e/%2e%2e/pyproject.toml",
        "/page//etc/passwd",
        "/page/\\..\\app.py",
        "/admin",
        "/.env",
        "/docs",
    ):
        yield Case("requests", f"GET {address[:60]}", _of(client.get(address)))
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Host": "127.0.0.1@evil.example"},
    ):
        yield Case("requests", f"{headers}", _of(client.post("/v1/jobs", files=files, headers=headers)))
    picture = {"image": corpus.sound()}
    strange = client.post("/v1/segmentations", files=picture, headers={"Accept": "application/x-msdownload"})
    yield Case("requests", "Accept of a format nobody has", _of(strange))
    for mark in ("-5", "abc", "9" * 40):
        event = client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": mark})
        yield Case("requests", f"Last-Event-ID {mark[:9]}", _of(event), harmless=mark.startswith("9"))
    for body in (b"{", b"[]", b'{"rejected": "maybe"}', b'{"comment": "' + b"x" * 5000 + b'"}', b"\xff"):
        review = client.put(
            f"/v1/jobs/{job}/images/1/reviews/1", content=body, headers={"Content-Type": "application/json"}
        )
        yield Case("requests", f"review {body[:20]!r}", _of(review))
    for method in ("TRACE", "PATCH", "DELETE", "PROPFIND"):
        yield Case("requests", f"{method} /v1/jobs", _of(client.request(method, "/v1/jobs")))


# -- bytes on the wire


def _wire(client: httpx.Client, url: str) -> Iterator[Case]:
    lengthy = (
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
    )
    heads = {
        "no HTTP": b"hello\r\n\r\n",
        "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(160) + b"\r\n\r\n",
        "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        "no Host": b"GET /v1/jobs HTTP/1.1\r\n\r\n",
        "header without a colon": b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nnonsense\r\n\r\n",
        "NUL in a header": b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n",
        "negative length": lengthy + b"Content-Length: -5\r\n\r\n",
        "length of words": lengthy + b"Content-Length: many\r\n\r\n",
        "length and chunks": lengthy + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "length of 1 TB": lengthy + b"Content-Length: 1000000000000\r\n\r\n",
        "two lengths": lengthy + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "chunk of no size": lengthy + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "header of 1 MiB": b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 2**20 + b"\r\n\r\n",
    }
    for name, content in heads.items():
        yield Case("wire", name, _spoken(url, [content]))
    slow = {
        "head that never ends": [b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
        "body that never comes": [lengthy + b"Content-Length: 5000\r\n\r\n"],
        "body that stops": [lengthy + b"Content-Length: 5000\r\n\r\n--cut\r\n"],
        "body of 5 bytes a second": [lengthy + b"Content-Length: 5000\r\n\r\n", *([b"--cut"] * 60)],
    }
    answers: dict[str, Answer] = {}

    def speak(name: str, pieces: list[bytes]) -> None:
        answers[name] = _spoken(url, pieces, pause=1.0)

    speakers = [threading.Thread(target=speak, args=one) for one in slow.items()]
    drip = [lengthy + b"Content-Length: 5000\r\n\r\n"]
    speakers += [threading.Thread(target=speak, args=(f"slow body {n} of 40", drip)) for n in range(1, 41)]
    for speaker in speakers:
        speaker.start()
    meanwhile = client.get("/v1/jobs", params={"limit": 1})
    if meanwhile.status_code != 200:
        yield Case("wire", "a good request while bodies come slowly", _of(meanwhile))
    for speaker in speakers:
        speaker.join()
    for name, answer in answers.items():
        yield Case("wire", name, answer)


def _spoken(url: str, pieces: list[bytes], pause: float = 0.0) -> Answer:
    """What comes back to these bytes, on a connection of their own."""
    address = urlsplit(url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=60) as wire:
        try:
            for piece in pieces:
                wire.sendall(piece)
                if pause and len(pieces) > 1:
                    time.sleep(pause)
            while b"\r\n\r\n" not in received or not _is_whole(received):
                more = wire.recv(65536)
                if not more:
                    break
                received += more
        except OSError:
            pass
        if not received:  # closed while we spoke: what it said before may still be there
            try:
                received = wire.recv(65536)
            except OSError:
                received = b""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = lines[0].split(" ")
    kinds = [one.partition(":")[2].strip() for one in lines if one.lower().startswith("content-type:")]
    return Answer(
        int(status[1]) if len(status) > 1 else 0,
        kinds[0].partition(";")[0] if kinds else "",
        body.decode("utf-8", "replace"),
    )


def _is_whole(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    match = re.search(rb"content-length: (\d+)", head.lower())
    return match is not None and len(body) >= int(match[1])


_GROUPS = {"images": _images, "zips": _zips, "forms": _forms, "requests": _requests, "wire": _wire}


if __name__ == "__main__":
    main()
