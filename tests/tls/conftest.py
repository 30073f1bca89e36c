"""The certificates of these tests."""

import ssl

import pytest

trustme = pytest.importorskip("trustme", reason="makes the certificates of these tests")


class Certificates:
    """An authority, and TLS settings of those that trust it; ``localhost`` is the server."""

    def __init__(self):
        self.authority = trustme.CA()
        self.server = self.server_context()
        self.client = self.client_context()

    def server_context(self, *names, kind=ssl.SSLContext):
        context = kind(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("localhost",))).configure_cert(context)
        return context

    def client_context(self, *, kind=ssl.SSLContext):
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        return context


@pytest.fixture(scope="session")
def certificates():
    return Certificates()


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def version(request):
    """Each version of TLS, as a function that limits a context to it."""
    number = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}[request.param]

    def limit(context):
        context.minimum_version = context.maximum_version = number
        return context

    return limit
