"""Every kind of file that may lie in a laboratory's folder, written here and read back."""

import hashlib
import io
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.errors import ImageError
from cascade.images import ImageFile, LoadedImage, read_image, read_images, with_page
from cascade.samples import to_uint8

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (20, 30, 3), np.uint8)
SMOOTH = np.tile(np.linspace(40, 220, 30).astype(np.uint8)[None, :, None], (20, 1, 3))  # survives JPEG
DEEP = (RNG.integers(0, 4096, (20, 30, 3))).astype(np.uint16)  # twelve bits in sixteen
DEEP[0, 0] = 4095


def picture_bytes(picture, kind, **options):
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def read(tmp_path, content, name="image.bin", **options):
    path = tmp_path / name
    path.write_bytes(content)
    return read_image(path, **options)


def png_header(width, height):
    """The start of a PNG that announces a size, with hardly any pixels."""
    return png(width, height, zlib.compress(bytes(99)))


def png(width, height, data):
    """A PNG without its end."""
    head, data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + data
    chunks = (
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in (head, data)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# -- plain pictures


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_their_pixels(tmp_path, kind):
    image = read(tmp_path, picture_bytes(Image.fromarray(COLOUR), kind), "smear.png")
    assert np.array_equal(image.pixels, COLOUR)
    assert image.pixels.dtype == np.uint8
    assert (image.name, image.page, image.pixel_size, image.label) == ("smear.png", None, None, "smear.png")


def test_jpeg_is_close(tmp_path):
    image = read(tmp_path, picture_bytes(Image.fromarray(SMOOTH), "JPEG", quality=95))
    assert np.abs(image.pixels.astype(int) - SMOOTH).max() <= 4


def test_hash_is_that_of_the_content(tmp_path):
    content = picture_bytes(Image.fromarray(COLOUR), "PNG")
    assert read(tmp_path, content).sha256 == hashlib.sha256(content).hexdigest()


def test_one_pixel_is_an_image(tmp_path):
    assert read(tmp_path, picture_bytes(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")).pixels.tolist() == [
        [[1, 2, 3]]
    ]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", [90, 90, 90]), ("1", [255, 255, 255]), ("P", [90, 40, 200]), ("CMYK", [90, 40, 200])],
)
@pytest.mark.parametrize("kind", ["TIFF", "native"])
def test_colour_spaces_become_rgb(tmp_path, mode, expected, kind):
    picture = Image.new("RGB", (8, 8), (90, 40, 200))
    if mode == "L":
        picture = Image.new("L", (8, 8), 90)
    elif mode == "1":
        picture = Image.new("1", (8, 8), 1)
    else:
        picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    if kind == "native":
        kind, options = ("JPEG", {"quality": 100}) if mode == "CMYK" else ("PNG", {})
    else:
        options = {}
    shown = read(tmp_path, picture_bytes(picture, kind, **options)).pixels
    assert shown.shape == (8, 8, 3)
    assert np.abs(shown.astype(int) - expected).max() <= 3


def test_alpha_is_laid_on_white(tmp_path):
    picture = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    picture.putpixel((1, 0), (200, 0, 0, 0))
    for kind in ("PNG", "TIFF"):
        assert read(tmp_path, picture_bytes(picture, kind)).pixels.tolist() == [
            [[200, 0, 0], [255, 255, 255]]
        ]


def test_transparent_palette_entry_is_laid_on_white(tmp_path):
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.putpixel((1, 0), 1)
    content = picture_bytes(picture, "PNG", transparency=bytes([0, 255]))
    assert read(tmp_path, content).pixels.tolist() == [[[255, 255, 255], [10, 20, 30]]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "LZW", "deep"])
def test_exif_rotation_is_applied(tmp_path, kind):
    left_dark = np.full((16, 48, 3), 230, np.uint8)
    left_dark[:, :24] = 20
    if kind == "deep":
        content = io.BytesIO()
        tifffile.imwrite(
            content, left_dark.astype(np.uint16) * 257, photometric="rgb", extratags=[(274, 3, 1, 6, True)]
        )
        content = content.getvalue()
    elif kind in ("TIFF", "LZW"):
        compression = "tiff_lzw" if kind == "LZW" else None
        content = picture_bytes(
            Image.fromarray(left_dark), "TIFF", tiffinfo={274: 6}, compression=compression
        )
    else:
        exif = Image.Exif()
        exif[274] = 6  # to be turned a quarter clockwise: left comes to the top
        content = picture_bytes(Image.fromarray(left_dark), kind, exif=exif)
    shown = read(tmp_path, content).pixels
    assert shown.shape == (48, 16, 3)
    assert shown[:20].mean() < 30
    assert shown[28:].mean() > 220


# -- many bits


def test_deep_png_keeps_its_real_range(tmp_path):
    assert cv2.imwrite(str(tmp_path / "deep.png"), DEEP[..., ::-1])
    assert np.array_equal(read_image(tmp_path / "deep.png").pixels, to_uint8(DEEP))


def test_deep_grey_png(tmp_path):
    content = picture_bytes(Image.fromarray(DEEP[..., 0]), "PNG")
    assert np.array_equal(read(tmp_path, content).pixels[..., 1], to_uint8(DEEP[..., 0]))


def test_deep_png_with_alpha_is_laid_on_white(tmp_path):
    samples = np.full((2, 2, 4), 40000, np.uint16)
    samples[..., 3] = [[0, 65535], [0, 65535]]
    assert cv2.imwrite(str(tmp_path / "deep.png"), samples)
    shown = read_image(tmp_path / "deep.png").pixels
    assert shown[0].tolist() == [[255, 255, 255], [156, 156, 156]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": False}, {"tile": (16, 16)}])
def test_tiff_of_any_depth_and_layout(tmp_path, dtype, planar, options):
    samples = (DEEP >> 4 if dtype is np.uint8 else DEEP).astype(dtype)
    stored = samples if planar == "contig" else np.moveaxis(samples, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, **options)
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, to_uint8(samples))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_lzw_compressed_tiff(tmp_path, dtype):
    samples = (DEEP >> 4 if dtype is np.uint8 else DEEP).astype(dtype)
    assert cv2.imwrite(str(tmp_path / "a.tif"), samples[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, to_uint8(samples))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "raw"])
def test_grey_tiff_where_white_is_zero(tmp_path, compression):
    content = picture_bytes(
        Image.fromarray(COLOUR[..., 0]), "TIFF", compression=compression, tiffinfo={262: 0}
    )
    assert np.array_equal(
        read(tmp_path, content).pixels[..., 0], COLOUR[..., 0]
    )  # Pillow has inverted it to store it


def test_big_endian_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", byteorder=">")
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, to_uint8(DEEP))


# -- pages and channels


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_page_of_a_stack(tmp_path, compression):
    stack = RNG.integers(0, 256, (3, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="rgb", compression=compression)
    pages = list(read_images(tmp_path / "stack.tif"))
    assert [page.label for page in pages] == ["stack.tif#page=1", "stack.tif#page=2", "stack.tif#page=3"]
    assert all(np.array_equal(page.pixels, stack[i]) for i, page in enumerate(pages))
    assert np.array_equal(read_image(tmp_path / "stack.tif", page=2).pixels, stack[1])


def test_pages_of_different_kinds(tmp_path):
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as writer:
        writer.write(COLOUR, photometric="rgb")
        writer.write(DEEP[:10, :, 0], photometric="minisblack")
    shapes = [page.pixels.shape for page in read_images(tmp_path / "mixed.tif")]
    assert shapes == [(20, 30, 3), (10, 30, 3)]


@pytest.mark.parametrize("kind", [{"imagej": True}, {"ome": True}])
@pytest.mark.parametrize("axes", ["CYX", "ZCYX", "TYX", "TZYX"])
def test_channels_make_colours_and_other_axes_make_pages(tmp_path, kind, axes):
    sizes = {"C": 3, "Z": 2, "T": 4, "Y": 6, "X": 5}
    data = RNG.integers(0, 256, [sizes[axis] for axis in axes], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", metadata={"axes": axes}, **kind)
    found = [page.pixels for page in read_images(tmp_path / "a.tif")]
    channels = np.moveaxis(data, axes.index("C"), -1) if "C" in axes else np.stack([data] * 3, -1)
    expected = channels.reshape(-1, 6, 5, 3)
    if kind == {"imagej": True} and axes == "TZYX":  # ImageJ stores them as it stores every hyperstack
        assert len(found) == 8
    assert np.array_equal(np.stack(found), expected)


def test_channels_that_are_no_colours_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6, 7), np.uint8), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(ImageError, match=r"one channel or three.*found 5"):
        read_image(tmp_path / "a.tif")


def test_significant_bits_of_ome(tmp_path):
    metadata = {"axes": "YX", "SignificantBits": 12}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.full((4, 4), 1000, np.uint16), ome=True, metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").pixels[0, 0, 0] == 62


@pytest.mark.parametrize("page", [0, 3, -1])
def test_page_that_is_not_there(tmp_path, page):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 6, 7), np.uint8), photometric="minisblack")
    with pytest.raises(ImageError, match="page from 1 to 2"):
        read_image(tmp_path / "a.tif", page=page)


def test_reduced_copy_is_not_a_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(COLOUR, photometric="rgb")
        writer.write(COLOUR[::2, ::2], photometric="rgb", subfiletype=1)
    assert [page.page for page in read_images(tmp_path / "a.tif")] == [None]


# -- pixel size


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (100_000, 100_000), "resolutionunit": "CENTIMETER"}, 0.1),
        ({"resolution": (254_000, 254_000), "resolutionunit": "INCH"}, 0.1),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),  # for printing
        ({"resolution": (96, 96), "resolutionunit": "INCH"}, None),
        ({"resolution": (100_000, 100_000), "resolutionunit": "NONE"}, None),  # pixels a what?
        ({"resolution": (100_000, 50_000), "resolutionunit": "CENTIMETER"}, None),  # not square
        ({}, None),
        ({"imagej": True, "resolution": (5, 5), "metadata": {"unit": "um"}}, 0.2),
        ({"imagej": True, "resolution": (5, 5), "metadata": {"unit": "micron"}}, 0.2),
        ({"imagej": True, "resolution": (5, 5), "metadata": {"unit": "\\u00B5m"}}, 0.2),
        ({"imagej": True, "resolution": (0.005, 0.005), "metadata": {"unit": "nm"}}, 0.2),
        ({"imagej": True, "resolution": (5, 5), "metadata": {"unit": "pixel"}}, None),
        ({"imagej": True, "resolution": (5, 5)}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.07, "PhysicalSizeY": 0.07}}, 0.07),
        (
            {
                "ome": True,
                "metadata": {
                    "PhysicalSizeX": 70,
                    "PhysicalSizeXUnit": "nm",
                    "PhysicalSizeY": 70,
                    "PhysicalSizeYUnit": "nm",
                },
            },
            0.07,
        ),
        ({"ome": True, "metadata": {"PhysicalSizeX": 1, "PhysicalSizeXUnit": "reference frame"}}, None),
        ({"ome": True}, None),
    ],
)
def test_pixel_size_is_read_and_never_guessed(tmp_path, options, expected):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="rgb", **options)
    found = read_image(tmp_path / "a.tif").pixel_size
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_print_resolution_of_other_formats_is_no_pixel_size(tmp_path):
    for kind in ("PNG", "JPEG"):
        content = picture_bytes(Image.fromarray(COLOUR), kind, dpi=(300, 300))
        assert read(tmp_path, content).pixel_size is None


# -- what is not an image


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "text")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", "empty file"),
        ("note.png", b"these are the slides of Tuesday", "begins with"),
        ("drawing.tif", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "begins with"),
        ("archive.tif", zipped(), "begins with"),
        ("short.jpg", b"\xff\xd8\xff", "damaged, cut short"),
        ("short.tif", b"II*\0", "damaged, cut short"),
        ("none.tif", b"II*\0\0\0\0\0", "found none"),
        ("bomb.png", png_header(60_000, 60_000), "at most 200000000 pixels, found 60000×60000"),
        ("flat.png", png_header(0, 10), "damaged, cut short"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, name, content, message):
    with pytest.raises(ImageError, match=message) as caught:
        read(tmp_path, content, name)
    assert str(caught.value).startswith(name)


def test_bomb_in_a_tiff_header_is_refused_before_it_is_decoded(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((200, 300), np.uint8), compression="zlib")
    with pytest.raises(ImageError, match="at most 50000 pixels, found 300×200"):
        ImageFile(tmp_path / "a.tif", max_pixels=50_000)


def test_bomb_in_a_tiff_strip_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), np.uint8), compression="zlib")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page = tif.pages[0]
        offset_at, count_at = page.tags[273].valueoffset, page.tags[279].valueoffset
    strip = zlib.compress(bytes(50_000_000))
    struct.pack_into("<I", content, offset_at, len(content))
    struct.pack_into("<I", content, count_at, len(strip))
    with pytest.raises(ImageError, match="inflates to more"):
        read(tmp_path, bytes(content) + strip)


def test_file_named_by_another_is_not_read(tmp_path):
    tifffile.imwrite(tmp_path / "b.ome.tif", COLOUR[..., 0], ome=True)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        description = tif.ome_metadata
    foreign = description.replace('<TiffData IFD="0" PlaneCount="1"/>', "").replace("</Pixels>", "")
    data = '<TiffData IFD="0" PlaneCount="1"><UUID FileName="b.ome.tif">urn:uuid:1</UUID></TiffData>'
    foreign = foreign.replace("</Image>", f"{data}</Pixels></Image>")
    tifffile.imwrite(tmp_path / "a.ome.tif", 255 - COLOUR[..., 0], description=foreign, metadata=None)
    assert np.array_equal(read_image(tmp_path / "a.ome.tif").pixels[..., 0], 255 - COLOUR[..., 0])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "LZW", "deflated", "deep"])
def test_truncated_files_are_refused(tmp_path, kind):
    if kind == "deep":
        content = cv2.imencode(".png", DEEP)[1].tobytes()
    elif kind in ("LZW", "deflated"):
        compression = {"LZW": "tiff_lzw", "deflated": "tiff_adobe_deflate"}[kind]
        content = picture_bytes(Image.fromarray(COLOUR), "TIFF", compression=compression)
    else:
        content = picture_bytes(Image.fromarray(COLOUR), kind)
    for fraction in (0.3, 0.6, 0.9):
        with pytest.raises(ImageError, match=r"cut short|damaged|found none"):
            read(tmp_path, content[: int(len(content) * fraction)])


def test_stack_that_is_cut_short_is_refused_rather_than_shortened(tmp_path):
    frames = [Image.fromarray(RNG.integers(0, 256, (40, 50, 3), np.uint8)) for _ in range(3)]
    content = picture_bytes(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="cut short"):
        read(tmp_path, content[: len(content) * 2 // 3])


def test_imagej_stack_that_is_cut_short_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 256, (4, 40, 50), np.uint8), imagej=True)
    content = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(ImageError, match="cut short"):
        read(tmp_path, content[:-3000], page=4)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ImageError, match="found nothing there"):
        ImageFile(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="not a file"):
        ImageFile(tmp_path)


def test_file_that_may_not_be_opened(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(ImageError, match="Permission denied"):
        ImageFile(tmp_path / "a.png")


def test_image_that_exhausts_the_memory_is_an_image_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr("cascade.images.picture_to_rgb", refuse)
    with pytest.raises(ImageError, match="fits the memory"):
        read(tmp_path, picture_bytes(Image.fromarray(COLOUR), "PNG"))


def fuzz_seeds():
    deep = io.BytesIO()
    tifffile.imwrite(deep, DEEP, imagej=False, photometric="rgb", compression="zlib")
    return [
        picture_bytes(Image.fromarray(COLOUR), "PNG"),
        picture_bytes(Image.fromarray(COLOUR), "JPEG"),
        picture_bytes(Image.fromarray(COLOUR), "BMP"),
        picture_bytes(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"),
        deep.getvalue(),
    ]


SEEDS = fuzz_seeds()


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_bytes_give_an_image_or_an_image_error(tmp_path_factory, seed, damage):
    content = bytearray(seed)
    for where, value in damage:
        content[int(where**2 * len(content))] = value  # mostly in the headers
    path = tmp_path_factory.getbasetemp() / "fuzz.bin"
    path.write_bytes(content)
    try:
        images = list(read_images(path, max_pixels=1_000_000))
    except ImageError:
        return
    assert all(
        isinstance(i, LoadedImage) and i.pixels.shape[2] == 3 and i.pixels.dtype == np.uint8 for i in images
    )


def test_page_names():
    assert with_page("a.tif", None) == "a.tif"
    assert with_page("a.tif", 2) == "a.tif#page=2"


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 20, zlib.compress(b"\xff" * 64 * 193)], ids=["noise", "filters"]
)
def test_png_whose_data_are_damaged_is_refused_rather_than_read_as_black(tmp_path, data):
    with pytest.raises(ImageError, match="damaged"):
        read(tmp_path, png(64, 64, data))
