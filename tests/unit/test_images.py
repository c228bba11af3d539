"""Every kind of picture loads upright, RGB and unclipped; whatever is not a picture is one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vit_explore.data import images
from vit_explore.data.images import load_image, resize_crop, sample_images
from vit_explore.errors import BadImage

WHITE, RED, GREEN, BLUE = (255, 255, 255), (220, 30, 30), (30, 200, 40), (30, 40, 210)


def encode(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def quarters() -> Image.Image:
    """48 × 32: red top left, green top right, blue bottom left, white bottom right."""
    picture = Image.new("RGB", (48, 32), WHITE)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 23, 15), RED)
    draw.rectangle((24, 0, 47, 15), GREEN)
    draw.rectangle((0, 16, 23, 31), BLUE)
    return picture


def assert_quarters(image: np.ndarray, tolerance: int = 12) -> None:
    assert image.dtype == np.uint8
    assert image.shape == (32, 48, 3)
    corners = image[[4, 4, 27, 27], [4, 43, 4, 43]].astype(int)
    assert np.abs(corners - np.array([RED, GREEN, BLUE, WHITE])).max() <= tolerance


def png_header(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000"])
def test_formats(format: str) -> None:
    assert_quarters(load_image(encode(quarters(), format)))


def test_heic() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    assert_quarters(load_image(encode(quarters(), "HEIF", quality=95)))


def test_heic_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadImage, match="pillow-heif"):
        load_image(b"\x00\x00\x00\x1cftypheic" + bytes(100))


def test_sources(tmp_path: Path) -> None:
    data = encode(quarters(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    expected = np.asarray(quarters())
    file = io.BytesIO(data)
    file.read()  # an upload that someone has read before
    for source in (data, bytearray(data), memoryview(data), path, str(path), file, quarters(), expected):
        np.testing.assert_array_equal(load_image(source), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(orientation: int, format: str) -> None:
    # how the camera stored the upright picture, so that the tag undoes it (EXIF 2.3, tag 0x0112)
    stored = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    picture = quarters() if stored is None else quarters().transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_quarters(load_image(encode(picture, format, exif=exif.tobytes())))


def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encode(quarters(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + bytes(20))
    assert_quarters(load_image(data))


def test_cmyk() -> None:
    assert_quarters(load_image(encode(quarters().convert("CMYK"), "JPEG", quality=95)), tolerance=20)


def test_transparency_lies_on_white() -> None:
    rgba = np.zeros((32, 48, 4), np.uint8)
    rgba[:, :24] = (*RED, 255)
    rgba[:, 24:] = (0, 0, 0, 128)
    half = load_image(encode(Image.fromarray(rgba), "PNG"))
    assert tuple(half[0, 0]) == RED
    assert np.abs(half[0, 40].astype(int) - 127).max() <= 1
    np.testing.assert_array_equal(half, load_image(rgba))
    gray = load_image(encode(Image.fromarray(rgba[:, :, 2:], "LA"), "PNG"))
    assert np.abs(gray[0, 40].astype(int) - 127).max() <= 1


def test_palette_with_transparency() -> None:
    picture = Image.new("P", (48, 32), 0)
    picture.putpalette([10, 20, 30, *RED])
    picture.paste(1, (0, 0, 24, 32))
    image = load_image(encode(picture, "PNG", transparency=0))
    assert tuple(image[0, 0]) == RED
    assert tuple(image[0, 40]) == WHITE


def test_colour_key_transparency() -> None:
    image = load_image(encode(quarters(), "PNG", transparency=RED))
    assert tuple(image[4, 4]) == WHITE
    assert tuple(image[4, 43]) == GREEN


@pytest.mark.parametrize(
    ("pixels", "format"),
    [
        (np.linspace(0, 65535, 256).astype(np.uint16), "PNG"),
        (np.linspace(0, 65535, 256).astype(np.uint16), "TIFF"),
        (np.linspace(0, 65535, 256).astype(np.int32), "TIFF"),
        (np.linspace(-3e6, 3e6, 256).astype(np.int32), "TIFF"),
        (np.linspace(0, 1, 256).astype(np.float32), "TIFF"),
        (np.linspace(0, 255, 256).astype(np.float32), "TIFF"),
        (np.linspace(-7, 900, 256).astype(np.float32), "TIFF"),
    ],
    ids=["16 bit PNG", "16 bit", "32 bit", "32 bit signed", "float to 1", "float to 255", "float"],
)
def test_deep_pixels_are_scaled_not_clipped(pixels: np.ndarray, format: str) -> None:
    ramp = np.broadcast_to(pixels, (8, 256))
    image = load_image(encode(Image.fromarray(np.ascontiguousarray(ramp)), format))
    assert image.shape == (8, 256, 3)
    assert np.abs(image[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_a_dark_16_bit_picture_stays_dark() -> None:
    assert load_image(np.full((8, 8), 600, np.uint16)).max() <= 3


def test_arrays() -> None:
    assert load_image(np.eye(8, dtype=bool))[3, 3].tolist() == [255] * 3
    assert load_image(np.full((8, 8, 1), 0.5))[0, 0].tolist() == [128] * 3
    with_gaps = np.array([[np.nan, 1.0], [np.inf, 0.5]])
    assert load_image(with_gaps)[:, :, 0].tolist() == [[0, 255], [0, 128]]


@pytest.mark.parametrize(("array", "words"), [
    (np.zeros((3, 32, 48), np.uint8), r"\(3, 32, 48\).*transpose\(1, 2, 0\)"),
    (np.zeros((32, 48, 2), np.uint8), r"\(32, 48, 2\).*\(H, W, 4\)\.$"),
    (np.full((8, 8, 3), np.nan), "no finite value"),
    (np.full((8, 8), -np.inf, np.float32), "no finite value"),
])  # fmt: skip
def test_arrays_that_are_no_picture(array: np.ndarray, words: str) -> None:
    with pytest.raises(BadImage, match=words):
        load_image(array)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame(format: str) -> None:
    second = Image.new("RGB", (48, 32), (0, 0, 0))
    assert_quarters(load_image(encode(quarters(), format, save_all=True, append_images=[second, second])))


def test_metadata_is_gone_and_the_result_is_plain() -> None:
    image = load_image(encode(quarters(), "JPEG", comment=b"secret"))
    assert type(image) is np.ndarray
    image[0, 0] = 0  # and can be written to


def test_large_pictures_are_scaled_down() -> None:
    assert load_image(encode(Image.new("RGB", (5000, 1000)), "JPEG")).shape[1] <= 4096
    assert load_image(encode(Image.new("L", (1000, 5000)), "PNG")).shape == (4096, 819, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"this is a text named .png", "not a picture"),
        (b"", "empty"),
        (encode(quarters(), "JPEG")[:500], "damaged or incomplete"),
        (encode(quarters(), "PNG")[:60], "damaged or incomplete"),
        (encode(quarters(), "AVIF")[:-60], "damaged|not a picture"),
        (encode(quarters(), "TIFF")[:1000], "damaged or incomplete"),
        (encode(quarters(), "WEBP")[:50], "damaged or incomplete"),
        (encode(quarters(), "GIF")[:-80], "damaged or incomplete"),
        (png_header(30_000, 1), "30000 × 1 .* at most 50 times"),
        (png_header(9_000, 9_000), "64 megapixels"),
        (png_header(13_000, 13_000), "64 megapixels"),
        (png_header(50_000, 50_000), "64 megapixels"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_bytes(data: bytes, words: str) -> None:
    with pytest.raises(BadImage, match=words) as caught:
        load_image(data)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "error", [RuntimeError("avif"), struct.error("tiff"), EOFError(), SyntaxError("png"), IndexError()]
)
def test_whatever_a_decoder_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: object) -> None:
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(BadImage, match="damaged or incomplete"):
        load_image(encode(Image.new("RGB", (8, 8)), "PPM"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on the tags of a damaged TIFF
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "PPM", "ICO"])
def test_random_damage_never_escapes(format: str) -> None:
    """Whatever a decoder raises on damaged bytes becomes BadImage."""
    data = encode(quarters(), format)
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data[: rng.integers(10, len(data) + 1)])
        for place in rng.integers(0, len(broken), 8):
            broken[place] = rng.integers(256)
        try:
            image = load_image(bytes(broken))
        except BadImage:
            continue
        assert image.ndim == 3


@pytest.mark.parametrize(
    "source",
    [
        3,
        None,
        "no/such/file.png",
        "x" * 5000,
        "nul\0byte",
        io.StringIO("text"),
        np.zeros((3, 32, 32), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4), complex),
        np.zeros((30_000, 1), np.uint8),
    ],
    ids=lambda source: (
        f"{type(source).__name__} {str(source)[:20] if isinstance(source, str) else getattr(source, 'shape', '')}"
    ),
)
def test_bad_sources(source: object) -> None:
    with pytest.raises(BadImage):
        load_image(source)


def test_the_size_of_the_file_is_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    (tmp_path / "a.png").write_bytes(bytes(101))
    for source in (bytes(101), io.BytesIO(bytes(101)), tmp_path / "a.png"):
        with pytest.raises(BadImage, match="more than"):
            load_image(source)


def test_resize_crop_takes_the_centred_square() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert (resize_crop(wide, 20) == 255).all()
    assert (resize_crop(wide.transpose(1, 0, 2), 20) == 255).all()
    assert resize_crop(wide, 64).shape == (64, 64, 3)


def test_resize_crop_is_antialiased() -> None:
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[:, ::2] = 255  # a pattern that nearest-neighbour sampling would turn black or white
    inner = resize_crop(fine, 16)[2:-2, 2:-2]
    assert np.abs(inner.astype(int) - 127).max() <= 3


def test_sample_images() -> None:
    samples = sample_images()
    assert next(iter(samples)) == "cat"
    assert len(samples) >= 4
    for image in samples.values():
        assert image.dtype == np.uint8
        assert image.shape[2] == 3


def test_sample_images_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    assert len(sample_images()) >= 3
