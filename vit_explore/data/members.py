"""The pictures of a folder or a zip, listed by class and read one by one. A zip is never unpacked to the disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vit_explore.errors import BadData
from vit_explore.home import uploads
from vit_explore.text import printable

MAX_MEMBERS = 200_000
MAX_TOTAL = 8 * 2**30  # bytes, unpacked
_SUFFIXES = ".jpg .jpeg .jpe .jfif .mpo .png .apng .gif .bmp .tif .tiff .webp .avif .heic .heif .jp2 .ppm .pgm .ico"
SUFFIXES = frozenset(_SUFFIXES.split())
_SPLIT_NAMES = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A file, or a folder, as it is named inside the root."""

    path: PurePosixPath
    is_folder: bool
    size: int
    modified: object  # whatever changes when the file does


@dataclass(frozen=True)
class Listing:
    """What a folder or a zip holds, and how to read a file of it."""

    entries: list[Entry]
    read: Callable[[Entry], bytes]


@dataclass(frozen=True)
class Layout:
    """Pictures by (split, class); classes in alphabetical order; `skipped` are pictures that lie in no class folder."""

    classes: tuple[str, ...]
    pictures: dict[str, dict[str, list[Entry]]]  # split -> class -> entries
    skipped: list[Entry]


@contextmanager
def open_listing(path: Path) -> Iterator[Listing]:
    """The listing of a folder or a zip. Raises BadData for anything else, and for a zip that is unsafe."""
    if path.is_dir():
        entries = _limited(_walk(path), path)
        yield Listing(entries, lambda entry: (path / entry.path).read_bytes())
        return
    if not path.exists():
        raise BadData(f"There is no folder or zip {str(path)!r}; give the path of a folder or zip of class folders.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadData(
            f"{path.name} is not a zip that can be opened ({error}); give a folder or a zip of class folders."
        ) from None
    with archive:
        entries = _limited(_zip_entries(archive, path.name), path)
        yield Listing(entries, lambda entry: archive.read(str(entry.modified)))


def arrange(listing: Listing, name: str) -> Layout:
    """Entries by split and class: [top/][train|val|test/]class/…/picture. Raises BadData where there are no classes."""
    paths = [entry for entry in listing.entries if not _is_hidden(entry.path)]
    depth = _shared_top(paths)
    has_splits = any(_split_at(entry, depth) == "train" and len(entry.path.parts) >= depth + 3 for entry in paths)
    pictures: dict[str, dict[str, list[Entry]]] = {}
    skipped = []
    for entry in paths:
        split = _split_at(entry, depth) if has_splits else "train"
        class_at = depth + 1 if has_splits else depth
        is_picture = not entry.is_folder and entry.path.suffix.lower() in SUFFIXES
        if split is None or len(entry.path.parts) < class_at + (1 if entry.is_folder else 2):
            skipped += [entry] if is_picture else []
            continue
        found = pictures.setdefault(split, {}).setdefault(entry.path.parts[class_at], [])
        found += [entry] if is_picture else []
    classes = tuple(sorted({name for by_class in pictures.values() for name in by_class}))
    if len(classes) < 2:
        seen = f"There is only the class folder {classes[0]!r}" if classes else "There are no class folders"
        raise BadData(
            f"{seen} in {name}, and a classifier needs two or more; make one sub-folder of pictures for each class."
        )
    return Layout(classes, pictures, skipped)


def name_of(path: Path) -> str:
    """What a sentence calls it; an upload lies under the hash of its content, a name that nobody has seen."""
    return "the uploaded zip" if path.parent == uploads() else path.name or str(path)


def pictures_of(path: Path) -> dict[str, int]:
    """How many pictures each class of a folder or a zip has, by their names alone: none is read. Raises BadData."""
    counts = counted(path)
    return {name: sum(by_class[name] for by_class in counts.values()) for name in counts["train"]}


def counted(path: Path) -> dict[str, dict[str, int]]:
    """The same for each split that it has: split -> class, as a run calls it, -> pictures. Raises BadData."""
    with open_listing(path) as listing:
        layout = arrange(listing, name_of(path))
    splits: dict[str, dict[str, list[Entry]]] = {"train": {}, **layout.pictures}
    names = list(zip(layout.classes, shown_names(layout.classes), strict=True))
    return {split: {shown: len(by_class.get(name, [])) for name, shown in names} for split, by_class in splits.items()}


def shown_names(classes: Sequence[str]) -> tuple[str, ...]:
    """The folders' names without control characters and marks that turn text around, still all different."""
    names: list[str] = []
    for name in map(printable, classes):
        again = sum(printable(other) == name for other in classes[: len(names)])
        names.append(f"{name} ({again + 1})" if again else name)
    return tuple(names)


def located(path: str) -> Path:
    """The folder or zip that a person named; ~ is their home. Raises BadData."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise BadData(
            f"{path!r} begins with the home of a user who is not known here; write ~/ or the whole path."
        ) from None


def last_change(path: str) -> int:
    """When a zip, or a folder with the three levels of folders in it, was changed last, in ns; 0 where there is none.

    A picture that is added or removed changes its folder. Cheap: no file is looked at.
    """
    try:
        root = located(path)
        return max(one.stat().st_mtime_ns for one in (root, *_folders(root, 3)))
    except (OSError, ValueError, BadData):
        return 0


def _folders(path: Path, levels: int) -> Iterator[Path]:
    """Those inside, level by level; one that cannot be looked into is passed over."""
    inside: list[Path] = []
    with suppress(OSError), os.scandir(path) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    for folder in inside if levels else ():
        yield folder
        yield from _folders(folder, levels - 1)


def _walk(root: Path) -> Iterator[Entry]:
    """Links to folders are not followed: they could lead anywhere, and round in circles."""
    for folder, names, files in os.walk(root):
        names.sort()
        inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
        for name in names:
            yield Entry(inside / name, True, 0, 0)
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_file():  # no sockets, no dangling links
                facts = path.stat()
                yield Entry(inside / name, False, facts.st_size, facts.st_mtime_ns)


def _zip_entries(archive: zipfile.ZipFile, name: str) -> Iterator[Entry]:
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if not path.parts:  # "./", which some archivers write
            continue
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise BadData(
                f"The zip {name} holds the path {info.filename!r}, which leads out of its folder; "
                "pack it again without such paths."
            )
        if info.flag_bits & 1:
            raise BadData(f"The zip {name} is locked with a password; pack it again without one.")
        yield Entry(path, info.is_dir(), info.file_size, info.filename)


def _limited(entries: Iterator[Entry], path: Path) -> list[Entry]:
    kept, total = [], 0
    for entry in entries:
        kept.append(entry)
        total += entry.size
        if len(kept) > MAX_MEMBERS or total > MAX_TOTAL:
            raise BadData(
                f"{path.name} holds more than {MAX_MEMBERS:,} files or {MAX_TOTAL // 2**30} GB unpacked, "
                "which is the most allowed; take fewer or smaller pictures."
            )
    return kept


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _split_at(entry: Entry, depth: int) -> str | None:
    return _SPLIT_NAMES.get(entry.path.parts[depth].lower()) if len(entry.path.parts) > depth else None


def _shared_top(entries: list[Entry]) -> int:
    """1 where everything lies in one top folder which itself holds folders of files, else 0."""
    tops = {entry.path.parts[0] for entry in entries if entry.path.parts}
    deep = any(len(entry.path.parts) >= (3 if not entry.is_folder else 2) for entry in entries)
    single_file = any(len(entry.path.parts) == 1 and not entry.is_folder for entry in entries)
    return 1 if len(tops) == 1 and deep and not single_file else 0
