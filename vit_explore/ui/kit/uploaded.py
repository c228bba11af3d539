"""A zip of class folders that a person uploads, kept under the home as a dataset of their own."""

from __future__ import annotations

import hashlib
import io
import zipfile

from vit_explore.errors import BadData
from vit_explore.home import uploads
from vit_explore.runs.files import disk_errors, write_atomically


def save_upload(content: bytes) -> str:
    """Keep an uploaded zip under the home, named by its content alone; gives its path. Raises BadData, DiskFull."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise BadData("The file is not a zip archive; upload a zip with one folder of images for each class.")
    folder = uploads()
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.zip"
    with disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, lambda file: file.write(content))
    return str(path)
