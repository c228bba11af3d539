"""Where a room reaches this machine, and the links that lead there."""

from __future__ import annotations

import io
import ipaddress
from urllib.parse import urlencode

import psutil

LESSON = "VIT_EXPLORE_LESSON"  # in the environment of the app's server: the id of the lesson that it serves
SECRET, CODE = "teacher", "code"  # in the addresses


def reachable() -> list[str]:
    """The IPv4 addresses of this machine that others may reach, those of a home or a school first; [] without a
    network."""
    found: list[ipaddress.IPv4Address] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            try:
                found.append(ipaddress.IPv4Address(entry.address))
            except ValueError:
                continue  # of another family
    usable = [one for one in dict.fromkeys(found) if not (one.is_loopback or one.is_link_local or one.is_unspecified)]
    return [str(one) for one in sorted(usable, key=lambda one: not one.is_private)]


def students_link(host: str, port: int, code: str) -> str:
    """What a student opens: it asks for a nickname alone."""
    return f"http://{host}:{port}/?{urlencode({CODE: code})}"


def teachers_link(host: str, port: int, secret: str) -> str:
    """What the teacher opens, and shows nobody."""
    return f"http://{host}:{port}/?{urlencode({SECRET: secret})}"


def qr_png(link: str, scale: int = 8) -> bytes:
    """The link as a QR code, a PNG in black on white; scale: pixels of a module."""
    import segno  # a laptop's start needs none

    buffer = io.BytesIO()
    segno.make(link, error="m").save(buffer, kind="png", scale=scale, border=2)
    return buffer.getvalue()


def qr_text(link: str) -> str:
    """The same for a terminal."""
    import segno

    buffer = io.StringIO()
    segno.make(link, error="m").terminal(out=buffer, compact=True, border=2)
    return buffer.getvalue()
