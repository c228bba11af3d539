"""Runs: their store, the worker that trains them, and references to the models that come out."""

from __future__ import annotations
