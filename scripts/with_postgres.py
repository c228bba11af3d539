"""Run a command beside a PostgreSQL server of its own, which is gone afterwards: for tests and benchmarks.

    python scripts/with_postgres.py python -m pytest tests/postgres

The command finds the server's address in VIT_EXPLORE_TEST_DB. Needs Debian's package postgresql (or initdb and pg_ctl
on the path); as root the server runs as the user postgres, since it refuses to run as root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPTIONS = "-c fsync=off -c listen_addresses=127.0.0.1 -c max_connections=200"  # a throw-away server may lose its data


def tool(name: str) -> str:
    """Where a program of PostgreSQL is; Debian keeps them off the path, the newest last."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        raise SystemExit(f"There is no {name} here; install PostgreSQL (Debian's package: postgresql).")
    return found


def as_its_user(command: list[str]) -> list[str]:
    """The command as somebody who is not root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@contextmanager
def server() -> Iterator[str]:
    """A server with nothing in it: the URL of its database postgres."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "data", Path(folder) / "log"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        initdb = [tool("initdb"), "--auth=trust", "--username=tester", "--encoding=UTF8", "--no-sync", "-D", str(data)]
        run(as_its_user(initdb), folder)
        control = [tool("pg_ctl"), "-D", str(data), "-l", str(log), "-w"]
        run(as_its_user([*control, "-o", f"{OPTIONS} -p {port} -k {folder}", "start"]), folder)
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            run(as_its_user([*control, "-m", "immediate", "stop"]), folder)


def run(command: list[str], folder: str) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")


def main() -> int:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    with server() as url:
        return subprocess.run(sys.argv[1:], env={**os.environ, "VIT_EXPLORE_TEST_DB": url}).returncode


if __name__ == "__main__":
    sys.exit(main())
