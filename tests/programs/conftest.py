"""What program tests ask for: certificates and the real servers, each made once for a run."""

from __future__ import annotations

import gc
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import pytest
import trustme

from .peer_servers import (
    Address,
    find_postgres,
    find_redis,
    postgres_running,
    redis_running,
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tls: the program talks over TLS")


@pytest.fixture(scope="package", autouse=True)
def libraries_are_settled() -> Iterator[None]:
    """Keep the libraries' many objects out of the collections that end every test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@dataclass(frozen=True)
class Certificates:
    """A certificate for ``localhost`` and both sides' TLS settings, made for this run."""

    certificate: bytes
    key: bytes
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    return Certificates(chain, issued.private_key_pem.bytes(), server, client)


def missing(program: str, package: str) -> NoReturn:
    """Skip what needs ``program``; where CI runs nothing may be missing."""
    reason = f"`{program}` is not installed; hint: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Address]:
    server = find_redis()
    if server is None:
        missing("redis-server", "redis-server")
    with redis_running(server) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_server(certificates: Certificates) -> Iterator[Address]:
    programs = find_postgres()
    if programs is None:
        missing("postgres", "postgresql")
    with postgres_running(programs, certificates.certificate, certificates.key) as address:
        yield address
