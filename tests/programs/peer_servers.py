"""Real servers as child processes: Redis and PostgreSQL, on free loopback ports."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

START_SECONDS = 30.0
"""A server that says nothing for this long is stuck; each needs a second or two."""


class ServerProcess:
    """A child process whose output is read line by line, so that one can wait for what it says."""

    def __init__(self, command: Sequence[str | Path], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        self.lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def lines_with(self, *texts: str) -> list[str]:
        """Return the lines so far that contain one of ``texts``."""
        return [line for line in self.lines if any(text in line for text in texts)]

    def wait_for(self, text: str, times: int = 1) -> str:
        """Wait until ``times`` lines contain ``text``; return the first.

        Raises:
            RuntimeError: the process ended, or was silent for too long, without such lines.
        """

        def said() -> bool:
            return len(self.lines_with(text)) >= times

        with self._changed:
            self._changed.wait_for(lambda: self._ended or said(), START_SECONDS)
            if not said():
                lines = "\n".join(self.lines)
                raise RuntimeError(f"`{self.process.args!r}` never said `{text}`:\n{lines}")
            return self.lines_with(text)[0]

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit status (minus the signal that ended it)."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.wait()
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def wait(self) -> int:
        """Return the exit status once the process has ended by itself."""
        return self.process.wait(START_SECONDS)


@dataclass(frozen=True)
class Address:
    """Where a server listens: a TCP port on the loopback address, and a folder or a file."""

    host: str
    port: int
    unix: Path


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_redis() -> str | None:
    """Return the path of the Redis server (or of its fork Valkey), if there is one."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def redis_running(server: str) -> Iterator[Address]:
    """Run a Redis server that keeps nothing."""
    with TemporaryDirectory(prefix="nalsil-redis-") as folder:
        address = Address("127.0.0.1", free_port(), Path(folder) / "redis.sock")
        options = {
            "bind": address.host,
            "port": str(address.port),
            "unixsocket": str(address.unix),
            "dir": folder,
            "save": "",
            "appendonly": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        process = ServerProcess([server, *arguments])
        try:
            process.wait_for("Ready to accept connections")
            yield address
        finally:
            process.stop()


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest first, if there is one."""
    on_path = shutil.which("postgres")
    if on_path is not None:
        return Path(on_path).parent
    # Debian keeps the server's programs off the path, in a folder for each version.
    servers = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = sorted(servers, key=lambda server: float(server.parent.parent.name), reverse=True)
    return newest[0].parent if newest else None


def unprivileged_user() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL shall run as: it refuses root; any other user is fine as is."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


@contextmanager
def postgres_running(programs: Path, certificate: bytes, key: bytes) -> Iterator[Address]:
    """Run a PostgreSQL server with a new, empty cluster whose superuser is ``nalsil``.

    Args:
        programs: the folder of ``initdb`` and ``postgres``.
        certificate: the server's certificate, PEM.
        key: its private key, PEM.
    """
    with TemporaryDirectory(prefix="nalsil-postgres-") as name:
        folder = Path(name)
        owner = unprivileged_user()
        options: dict[str, Any] = {"cwd": folder}
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            options |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        _create_cluster(programs, folder / "data", options)
        for file, content in (("server.crt", certificate), ("server.key", key)):
            path = folder / "data" / file
            path.write_bytes(content)
            path.chmod(0o600)
            if owner is not None:
                os.chown(path, owner.pw_uid, owner.pw_gid)
        address = Address("127.0.0.1", free_port(), folder)
        process = ServerProcess(_postgres_command(programs, folder, address), **options)
        try:
            process.wait_for("database system is ready to accept connections")
            yield address
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients to leave.
            process.stop(signal.SIGINT)


def _create_cluster(programs: Path, data: Path, options: dict[str, Any]) -> None:
    choices = ["--username=nalsil", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [programs / "initdb", "--pgdata", data, *choices],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **options,
    )


def _postgres_command(programs: Path, folder: Path, address: Address) -> list[str | Path]:
    settings = {
        "listen_addresses": address.host,
        "unix_socket_directories": str(folder),
        "ssl": "on",
        "max_connections": "40",
        # The cluster lives for minutes: nothing needs to survive a crash.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    choices = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [programs / "postgres", "-D", folder / "data", "-p", str(address.port), *choices]
