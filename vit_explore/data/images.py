"""Reading pictures that strangers send: any source to uint8 (H, W, 3), upright, RGB, without metadata, or BadImage.

Limits: 64 MB of file, 64 megapixels, one side at most 50 times the other. What is longer than 4096 px is scaled down.
The size is checked from the header, before a single pixel is decoded.
"""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from vit_explore.errors import BadImage

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
MAX_ASPECT = 50
MAX_SIDE = 4096
SAMPLES = Path(__file__).with_name("samples")

# Only formats with a signature that Pillow decodes itself: EPS would start Ghostscript, anything passes for TGA.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO")
_KNOWN = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP, TIFF or JPEG 2000"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_HEIC_MISSING = "HEIC pictures need the package pillow-heif; install it, or send the picture as JPEG or PNG."

# What decoders raise on damaged files, each with a taste of its own (AVIF RuntimeError, TIFF struct.error, …).
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, RuntimeError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError,
    MemoryError, struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(source: Any) -> np.ndarray:
    """The picture in `source` as uint8 (H, W, 3): upright, RGB, transparency on white, of an animation the first frame.

    source: a path, bytes, a file object, a PIL image, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
    16-bit, 32-bit and float pixels are scaled, not clipped. Raises BadImage.
    """
    if isinstance(source, np.ndarray):
        return _fit(_from_array(source))
    name = "The picture"
    try:
        if isinstance(source, Image.Image):
            _check_size(source.size)
            return _fit(_to_rgb(_upright(source)))
        data, name = _read(source)
        return _fit(_decode(data))
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage(f"{name} is not a picture that can be read; send a {_KNOWN} file.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own, looser limit came first
        raise BadImage(
            f"{name} unpacks to more than the {MAX_PIXELS // 10**6} megapixels allowed; scale it down first."
        ) from None
    except DECODE_ERRORS as error:
        raise BadImage(
            f"{name} is damaged or incomplete ({_reason(error)}); send it again, or save it anew as PNG or JPEG."
        ) from None


def resize_crop(image: np.ndarray, size: int) -> np.ndarray:
    """What the model sees of uint8 (H, W, 3): its largest centred square, antialiased (bicubic) to (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    picture = Image.fromarray(np.ascontiguousarray(image))
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))


def resize_crop_batch(images: np.ndarray, size: int, progress: Callable[[str, float], None]) -> np.ndarray:
    """`resize_crop` of uint8 images (n, 3, h, w), to (n, 3, size, size)."""
    out = np.empty((len(images), 3, size, size), np.uint8)
    step = 512

    def work(start: int) -> int:
        for i in range(start, min(start + step, len(images))):
            out[i] = resize_crop(images[i].transpose(1, 2, 0), size).transpose(2, 0, 1)
        return start

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter's lock while it resizes
        for start in pool.map(work, range(0, len(images), step)):
            progress(f"Resizing to {size} px", min(1.0, (start + step) / len(images)))
    return out


def sample_images() -> dict[str, np.ndarray]:
    """Pictures to try things on without an upload: a cat, drawn ones, scikit-learn's two photographs where they are."""
    from vit_explore.data.drawing import draw_shapes

    samples = {"cat": load_image(SAMPLES / "cat.jpg")}
    for name in ("star", "heart", "ring"):
        images, _ = draw_shapes(name, 1, 224, seed=7)
        samples[f"drawn {name}"] = np.ascontiguousarray(images[0].transpose(1, 2, 0))
    package = importlib.util.find_spec("sklearn")  # found, not imported: that would take a second
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "datasets" / "images"
        for title, file in (("flower", "flower.jpg"), ("temple", "china.jpg")):
            if (folder / file).is_file():
                samples[title] = load_image(folder / file)
    return samples


def _read(source: Any) -> tuple[bytes, str]:
    """(the bytes, what to call them in a message), at most MAX_BYTES of them."""
    if isinstance(source, str | Path):
        path = Path(source)
        if not os.path.isfile(path):  # not Path.is_file, which raises for names that are too long
            raise BadImage(f"There is no picture file {str(source)[:200]!r}; give the path of a {_KNOWN} file.")
        _check_bytes(path.stat().st_size)
        return path.read_bytes(), path.name
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(len(source))
        return bytes(source), "The file"
    if hasattr(source, "read"):
        return _read_file(source)
    raise BadImage(
        f"A value of type {type(source).__name__} is not a picture; "
        "give a path, bytes, a file object, a PIL image or a NumPy array."
    )


def _read_file(file: IO[bytes]) -> tuple[bytes, str]:
    if hasattr(file, "seek"):
        file.seek(0)  # an upload widget hands out the same object again and again
    data = file.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise BadImage("The file was opened as text and a picture is bytes; open it in binary mode ('rb').")
    _check_bytes(len(data))
    return data, Path(str(getattr(file, "name", "") or "The file")).name


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise BadImage(
            f"The picture file has more than {MAX_BYTES // 2**20} MB, which is the most allowed; save it smaller first."
        )
    if count == 0:
        raise BadImage(f"The picture file is empty; send a {_KNOWN} file.")


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if min(size) < 1:
        raise BadImage("The picture has no pixels; send one with at least one row and one column.")
    if width * height > MAX_PIXELS:
        raise BadImage(
            f"The picture has {width} × {height} pixels and at most {MAX_PIXELS // 10**6} megapixels are allowed; "
            "scale it down first."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise BadImage(
            f"The picture has {width} × {height} pixels and one side may be at most {MAX_ASPECT} times the other; "
            "crop it first."
        )


def _decode(data: bytes) -> np.ndarray:
    formats = list(_FORMATS)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        _register_heif()
        formats = ["HEIF", "AVIF"]
    with Image.open(io.BytesIO(data), formats=formats) as picture:
        _check_size(picture.size)
        if picture.format in ("JPEG", "MPO"):
            picture.draft(None, (MAX_SIDE, MAX_SIDE))  # a large JPEG is decoded at a half, a quarter or an eighth
        picture.load()
        return _to_rgb(_upright(picture))


def _register_heif() -> None:
    if importlib.util.find_spec("pillow_heif") is None:
        raise BadImage(_HEIC_MISSING)
    import pillow_heif

    pillow_heif.register_heif_opener()


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(picture.getexif().get(_ORIENTATION_TAG, 1))
    except DECODE_ERRORS:  # damaged metadata of a sound picture: it is shown as its pixels lie
        return picture
    return picture if turn is None else picture.transpose(turn)


def _to_rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        return _from_array(np.asarray(picture, np.uint16))
    if picture.mode in ("I", "F"):
        return _from_array(np.asarray(picture))
    if picture.has_transparency_data:
        return _onto_white(np.asarray(picture.convert("RGBA")))
    return np.array(picture.convert("RGB"))


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        channels_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = "; move the channels to the end with array.transpose(1, 2, 0)" if channels_first else ""
        raise BadImage(
            f"An array of shape {array.shape} is not a picture; give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}."
        )
    _check_size((array.shape[1], array.shape[0]))
    pixels = _to_uint8(array)
    if pixels.shape[2] == 4:
        return _onto_white(pixels)
    return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _to_uint8(array: np.ndarray) -> np.ndarray:
    """Pixels scaled to 0 … 255: 16 bits by their range; wider ones as [0, 1], 0 … 255 or 0 … 65535 where they fit, else
    stretched from their least to their greatest."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise BadImage(f"An array of {array.dtype} is not a picture; give integers or floats.")
    if array.dtype.kind == "f" and array.size and not np.isfinite(array).any():
        raise BadImage("The picture holds no finite value, only NaN or infinity; check how it was made.")
    values = np.nan_to_num(array.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if array.dtype == np.uint16:
        low, high = 0.0, 65535.0
    elif low >= 0:
        limits = [1.0, 255.0] if array.dtype.kind == "f" else [255.0, 65535.0]
        low, high = next(((0.0, limit) for limit in limits if high <= limit), (low, high))
    scaled = (values - low) / max(high - low, 1e-30)
    return (scaled * 255 + 0.5).astype(np.uint8)


def _onto_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    return (rgba[:, :, :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)


def _fit(image: np.ndarray) -> np.ndarray:
    """Scaled down so that the longer side has at most MAX_SIDE pixels."""
    height, width = image.shape[:2]
    if max(height, width) <= MAX_SIDE:
        return image
    scale = MAX_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _reason(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return (words[0].rstrip(".") if words else type(error).__name__)[:120]
