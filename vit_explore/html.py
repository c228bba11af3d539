"""A page of HTML that needs nothing but itself."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}
</style>
</head>
{body}
</html>
"""


def page(title: str, css: str, body: str) -> str:
    """The document; title: plain text, body: the element of that name."""
    return _PAGE.format(title=escape(title), css=css, body=body)
