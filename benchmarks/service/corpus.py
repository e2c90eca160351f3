"""Files that nobody should have to open: made here, bit by bit, small to send and large to believe."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from PIL import Image

MIB = 2**20
_PNG = b"\x89PNG\r\n\x1a\n"


# -- images


def sound(size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    """An image as it should be; grey."""
    content = io.BytesIO()
    Image.new("RGB", size, (200, 190, 200)).save(content, kind)
    return content.getvalue()


def png(width: int, height: int, data: bytes, before: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that says what it is told to say."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", head) + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def zeros(size: int) -> bytes:
    """So many zero bytes in zlib's format."""
    checksum = size % 65521 << 16 | 1  # Adler-32
    return b"\x78\xda" + _raw_zeros(size) + struct.pack(">I", checksum)


def _raw_zeros(size: int) -> bytes:
    """So many zero bytes, deflated: a MiB of them again and again, so that it costs nothing to make."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (size // MIB) + packer.compress(bytes(size % MIB)) + packer.flush()


def tiff(tags: list[tuple[int, int, int, int]], data: bytes = b"", next_page: int = 0) -> bytes:
    """A little-endian TIFF: tags are `(number, type, count, value)`, `data` lies behind the directory."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", next_page) + data


def _strip(width: int, height: int, data: bytes, compression: int = 8, next_page: int = 0) -> bytes:
    """A TIFF of one grey strip."""
    behind = 8 + 2 + 9 * 12 + 4
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, behind),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]
    return tiff(tags, data, next_page)


def _jpeg(width: int, height: int) -> bytes:
    """A JPEG whose frame header lies about its size."""
    whole = bytearray(sound(kind="JPEG"))
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def _bmp(width: int, height: int) -> bytes:
    whole = bytearray(sound(kind="BMP"))
    whole[18:26] = struct.pack("<ii", width, height)
    return bytes(whole)


def _text_bomb() -> bytes:
    """A sound picture with a compressed comment that is 1 GiB long."""
    whole = sound()
    bomb = _chunk(b"zTXt", b"Comment\0\0" + zeros(1024 * MIB))
    return whole[:33] + bomb + whole[33:]


def _profile_bomb() -> bytes:
    whole = sound()
    bomb = _chunk(b"iCCP", b"x\0\0" + zeros(1024 * MIB))
    return whole[:33] + bomb + whole[33:]


IMAGES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"this is no image",
    "html": lambda: b"<html><script>alert(1)</script></html>",
    "svg with an external entity": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>'
    ),
    "gif": lambda: sound(kind="GIF"),
    "webp": lambda: sound(kind="WEBP"),
    "executable": lambda: b"\x7fELF" + bytes(200),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n",
    "pdf that is also a JPEG's end": lambda: b"%PDF-1.4\n" + sound(kind="JPEG"),
    "zip that is also a PNG's end": lambda: _packed({"a.png": sound()}) + sound(),
    "PNG signature alone": lambda: _PNG,
    "PNG cut in its header": lambda: sound()[:20],
    "PNG cut in its data": lambda: png(512, 512, zlib.compress(bytes(range(256)) * 3000)[:800])[:400],
    "PNG without data": lambda: _PNG + sound()[8:33] + _chunk(b"IEND", b""),
    "PNG of 2147483647 pixels a side": lambda: png(2**31 - 1, 2**31 - 1, zeros(100)),
    "PNG of no width": lambda: png(0, 10, zeros(100)),
    "PNG bomb, 60000 a side, 1 bit": lambda: png(60000, 60000, zeros(60000 * 7501), depth=1, colour=0),
    "PNG bomb, 30000 a side, 16 bit": lambda: png(30000, 30000, zeros(200 * MIB), depth=16, colour=6),
    "PNG of 1 pixel by 2000000000": lambda: png(1, 2_000_000_000, zeros(100)),
    "PNG with wrong filters": lambda: png(64, 64, zlib.compress(b"\xff" * 64 * 193)),
    "PNG with noise for data": lambda: png(64, 64, bytes(range(256)) * 20),
    "JPEG cut after its header": lambda: sound(kind="JPEG")[:100],
    "JPEG that says 65500 a side": lambda: _jpeg(65500, 65500),
    "JPEG signature and zeros": lambda: b"\xff\xd8\xff\xe0" + bytes(5000),
    "BMP that says 2147483647 a side": lambda: _bmp(2**31 - 1, 2**31 - 1),
    "BMP of negative width": lambda: _bmp(-64, 48),
    "BMP cut": lambda: sound(kind="BMP")[:60],
    "TIFF header alone": lambda: b"II*\0\x08\0\0\0",
    "TIFF whose pages go in a circle": lambda: _strip(8, 8, bytes(64), 1, next_page=8),
    "TIFF that says 4000000000 a side": lambda: _strip(4_000_000_000, 4_000_000_000, bytes(64)),
    "TIFF bomb, 60000 a side": lambda: _strip(60000, 60000, zeros(60000 * 60000 // 16)),
    "TIFF bomb, small but a strip of 512 MiB": lambda: _strip(64, 64, zeros(512 * MIB)[: 64 * 1024]),
    "TIFF whose data lies behind its end": lambda: _strip(64, 64, bytes(64))[:-60],
    "TIFF with 65535 tags": lambda: struct.pack("<2sHIH", b"II", 42, 8, 65535) + bytes(500),
    "TIFF with a tag of 4 GB": lambda: tiff([(256, 4, 2**32 - 1, 8), (257, 4, 1, 8), (273, 4, 1, 8)]),
    "TIFF whose compression nobody knows": lambda: _strip(8, 8, bytes(64), 34712),
    "BigTIFF with nothing in it": lambda: struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + bytes(8),
}
"""Each is to be refused, name → what makes it."""

HARMLESS: dict[str, Callable[[], bytes]] = {
    "PNG with a zip behind it": lambda: sound() + _packed({"../../etc/passwd": b"x"}),
    "PNG with a script behind it": lambda: sound() + b"<?php system($_GET['c']); ?>",
    "PNG with a comment of 1 GiB": _text_bomb,
    "PNG with a colour profile of 1 GiB": _profile_bomb,
}
"""Images that are what they say, with something in them that does no harm where nobody takes it up: they may
be segmented or refused."""


# -- zips


def _packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return content.getvalue()


def _link() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        info = zipfile.ZipInfo("smear.png")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    return content.getvalue()


def _bomb(size: int, name: bytes = b"smear.png") -> bytes:
    """A zip with an image of so many zeros."""
    data, checksum = _raw_zeros(size), 0
    for _ in range(size // MIB):
        checksum = zlib.crc32(bytes(MIB), checksum)
    sizes = struct.pack("<III", checksum, len(data), size)
    local = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
    whole = local + name + data
    entry = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
    entry += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    return whole + entry + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(whole), 0)


def _overlapping(copies: int) -> bytes:
    """Many names in the directory, all of the same data: each is small, together they are not."""
    first = _bomb(8 * MIB, b"0000.png")
    at = first.index(b"PK\x01\x02")
    entry = first[at : first.index(b"PK\x05\x06")]
    entries = b"".join(entry.replace(b"0000.png", b"%04d.png" % number) for number in range(copies))
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, copies, copies, len(entries), at, 0)
    return first[:at] + entries + end


def _lying() -> bytes:
    """The directory says ten bytes; 64 MiB come out."""
    whole = bytearray(_bomb(64 * MIB))
    at = whole.index(b"PK\x01\x02")
    whole[at + 24 : at + 28] = struct.pack("<I", 10)
    return bytes(whole)


def _changed(offset: int, value: bytes, entries: dict[str, bytes] | None = None) -> bytes:
    """A zip with some bytes of its directory's first entry changed, and of its local header."""
    whole = bytearray(_packed(entries or {"smear.png": sound()}))
    for mark, shift in ((b"PK\x01\x02", 0), (b"PK\x03\x04", -2)):
        at = whole.index(mark) + offset + shift
        whole[at : at + len(value)] = value
    return bytes(whole)


def _damaged() -> bytes:
    whole = bytearray(_packed({"smear.png": sound()}, zipfile.ZIP_STORED))
    whole[whole.index(b"IDAT") + 8] ^= 0xFF
    return bytes(whole)


def _nested(depth: int) -> bytes:
    inner = {"smear.png": sound()}
    for number in range(depth):
        inner = {f"{number}.zip": _packed(inner)}
    return _packed(inner)


ZIPS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: _packed({}),
    "of text alone": lambda: _packed({"readme.txt": b"no image here"}),
    "of folders alone": lambda: _packed({"a/": b"", "b/": b""}),
    "cut in the middle": lambda: _packed({"smear.png": sound((600, 600))})[:-70],
    "signature alone": lambda: b"PK\x03\x04",
    "of noise": lambda: b"PK\x03\x04" + bytes(range(256)) * 40,
    "bomb, 1 GiB of zeros": lambda: _bomb(1024 * MIB),
    "bomb of 1000 names for one file": lambda: _overlapping(1000),
    "that lies about its size": _lying,
    "with damaged data": _damaged,
    "in a zip": lambda: _nested(1),
    "in a zip, 30 deep": lambda: _nested(30),
    "in a zip by another name": lambda: _packed({"smear.png": _packed({"a.png": sound()})}),
    "with ../ in a name": lambda: _packed({"../../../../etc/cron.d/x.png": sound()}),
    "with ..\\ in a name": lambda: _packed({"..\\..\\x.png": sound()}),
    "with an absolute name": lambda: _packed({"/etc/passwd.png": sound()}),
    "with a drive in a name": lambda: _packed({"C:\\Windows\\x.png": sound()}),
    "with a link in it": _link,
    "with a password": lambda: _changed(8, b"\x01\x00"),
    "of a strange compression": lambda: _changed(10, b"\x63\x00"),
    "packed by bzip2": lambda: _packed({"smear.png": sound()}, zipfile.ZIP_BZIP2),
    "packed by LZMA": lambda: _packed({"smear.png": sound()}, zipfile.ZIP_LZMA),
    "of 10000 small images": lambda: _packed({f"{n}.png": sound((8, 8)) for n in range(10_000)}),
    "of 10000 small texts": lambda: _packed({f"{n}.txt": b"x" for n in range(10_000)}),
    "of an image that is text": lambda: _packed({"smear.png": b"this is no image"}),
    "of hidden files": lambda: _packed({"__MACOSX/._smear.png": sound(), ".smear.png": sound()}),
}
"""Each is to be refused, name → what makes it."""
