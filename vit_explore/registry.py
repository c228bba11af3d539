"""Names to things. A thing registers itself in its own file; the files of a package are discovered, never listed."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from vit_explore.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """A named collection whose members register themselves.

    kind: what a member is called in messages, e.g. "dataset".
    package: dotted name whose modules are imported at the first look-up, so that their members exist.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._members: dict[str, T] = {}
        self._lock = threading.RLock()

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files its target under `name`; a name is given once."""

        def add(member: T) -> T:
            if name in self._members:
                raise ValueError(f"the {self.kind} {name!r} is registered twice")
            self._members[name] = member
            return member

        return add

    def get(self, name: str) -> T:
        """The member called `name`. Raises UnknownName, which lists the known ones."""
        self._discover()
        if name not in self._members:
            near = get_close_matches(str(name), self._members, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UnknownName(
                f"There is no {self.kind} named {name!r}{hint}; choose one of: {', '.join(self.names())}."
            )
        return self._members[name]

    def names(self) -> list[str]:
        """Every registered name, in order of registration."""
        self._discover()
        return list(self._members)

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._members

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._discover()
        return iter(self._members.items())

    def _discover(self) -> None:
        with self._lock:  # pages run in threads; the lock is reentrant for a member that looks another one up
            package, self._package = self._package, None
            if package is None:
                return
            root = importlib.import_module(package)
            for module in pkgutil.iter_modules(root.__path__):
                importlib.import_module(f"{package}.{module.name}")
