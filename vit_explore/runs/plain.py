"""Rows as every database takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """NumPy's scalars as Python's; no number (NaN) as null, which is what SQLite makes of it by itself."""
    return {name: _plain(value) for name, value in values.items()}


def replace(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each in place of the one with its primary key."""
    keys = [column.name for column in table.primary_key]
    statement = _INSERT[connection.dialect.name](table)
    names = [name for name in rows[0] if name not in keys]
    statement = statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in names}
    )
    connection.execute(statement, [plain(row) for row in rows])


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value
