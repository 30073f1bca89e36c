"""The handshake: what it agrees on, and every way in which it fails."""

import asyncio
import gc
import ssl
import weakref

import pytest
from transport.protocols import Recorder, tcp_pair

from .peer import Peer, accepted, connected, handshaking, reset


async def test_alpn(certificates):
    ours, theirs = certificates.client_context(), certificates.server_context()
    ours.set_alpn_protocols(["h2", "http/1.1"])
    theirs.set_alpn_protocols(["http/1.1"])
    async with connected(certificates, context=ours, peer_context=theirs) as (protocol, _):
        tls = protocol.transport.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == "http/1.1"


async def test_the_name_of_the_server_reaches_its_callback(certificates):
    asked = []
    other = certificates.server_context()

    def choose(tls, name, context):
        asked.append((type(tls), name))
        tls.context = other

    theirs = certificates.server_context()
    theirs.sni_callback = choose
    async with accepted(certificates, context=theirs) as (protocol, _):
        assert asked == [(ssl.SSLObject, "localhost")]
        assert protocol.transport.get_extra_info("ssl_object").context is other


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_callback_that_raises_ends_the_handshake(certificates):
    def fail(tls, name, context):
        raise ZeroDivisionError

    context = certificates.server_context()
    context.sni_callback = fail
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    with theirs:
        peer = Peer(theirs, certificates.client, server_side=False, hostname="localhost")
        outcomes = await asyncio.gather(
            loop.connect_accepted_socket(Recorder, ours, ssl=context),
            peer.handshake(),
            return_exceptions=True,
        )
    assert isinstance(outcomes[0], ssl.SSLError)
    assert isinstance(outcomes[1], ssl.SSLError | EOFError | ConnectionError)


async def test_a_certificate_of_the_client(certificates, version, until):
    theirs = version(certificates.server_context())
    theirs.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(theirs)
    ours = certificates.client_context()
    certificates.authority.issue_cert("client@example.org").configure_cert(ours)
    async with accepted(certificates, context=theirs, peer_context=ours) as (protocol, _):
        certificate = protocol.transport.get_extra_info("peercert")
        assert certificate["subjectAltName"] == (("email", "client@example.org"),)


async def test_a_certificate_that_is_asked_for_later(certificates, until):
    """TLS 1.3 may ask in the middle of a connection, while data goes both ways."""
    theirs = certificates.server_context()
    theirs.minimum_version = ssl.TLSVersion.TLSv1_3
    theirs.verify_mode = ssl.CERT_OPTIONAL
    theirs.post_handshake_auth = True
    certificates.authority.configure_trust(theirs)
    ours = certificates.client_context()
    ours.post_handshake_auth = True
    certificates.authority.issue_cert("client@example.org").configure_cert(ours)
    async with connected(certificates, context=ours, peer_context=theirs) as (protocol, peer):
        assert not peer.tls.getpeercert()
        peer.tls.verify_client_post_handshake()
        await peer.write(b"who are you?")
        protocol.transport.write(b"data")
        await until(lambda: protocol.data)
        assert await peer.read_exactly(4) == b"data"
        protocol.transport.write(b"more")
        assert await peer.read_exactly(4) == b"more"
        assert peer.tls.getpeercert()["subjectAltName"] == (("email", "client@example.org"),)


async def test_a_session_is_used_again(certificates):
    """What resumes is told by the `ssl_object`; TLS 1.2 hands the session over at once."""
    theirs, ours = certificates.server_context(), certificates.client_context()
    ours.maximum_version = ssl.TLSVersion.TLSv1_2

    sessions = []

    class Resuming(ssl.SSLObject):
        @classmethod
        def _create(cls, *arguments, session=None, **more):
            session = sessions[0] if sessions else None
            return super()._create(*arguments, session=session, **more)

    ours.sslobject_class = Resuming
    for reused in (False, True):
        async with connected(certificates, context=ours, peer_context=theirs) as (protocol, _):
            tls = protocol.transport.get_extra_info("ssl_object")
            assert tls.session_reused is reused
            sessions.append(tls.session)


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificates):
    context = ssl.create_default_context()
    async with handshaking(certificates, context=context) as (connecting, peer):
        with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
            await peer.handshake_and_read()
        with pytest.raises(ssl.SSLCertVerificationError, match="CERTIFICATE_VERIFY_FAILED"):
            await connecting


@pytest.mark.nalsil_only  # the stock transport drops the alert
async def test_the_peer_is_told_why(certificates):
    context = ssl.create_default_context()
    async with handshaking(certificates, context=context) as (connecting, peer):
        with pytest.raises(ssl.SSLError, match="alert unknown ca"):
            await peer.handshake_and_read()
        with pytest.raises(ssl.SSLCertVerificationError):
            await connecting


async def test_a_certificate_of_somebody_else_is_refused(certificates):
    theirs = certificates.server_context("example.org")
    async with handshaking(certificates, peer_context=theirs) as (connecting, peer):
        with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
            await peer.handshake_and_read()
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await connecting


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"\x16\x03\x03\xff\xff", b"\x80"],
    ids=["text", "zeros", "too long", "one byte"],
)
async def test_garbage_ends_the_handshake(certificates, garbage):
    async with handshaking(certificates) as (connecting, peer):
        await peer.receive()
        await peer.send(garbage)
        peer.sock.close()
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await connecting


async def test_garbage_is_met_at_once(certificates):
    """The peer stays: what is no record must not be waited for to become one."""
    async with handshaking(certificates) as (connecting, peer):
        await peer.receive()
        await peer.send(b"HTTP/")
        with pytest.raises(ssl.SSLError):
            await connecting


async def test_a_peer_that_leaves(certificates):
    async with handshaking(certificates) as (connecting, peer):
        await peer.receive()
        peer.sock.close()
        with pytest.raises(ConnectionResetError):
            await connecting


async def test_a_peer_that_resets(certificates):
    async with handshaking(certificates) as (connecting, peer):
        await peer.receive()
        reset(peer.sock)
        with pytest.raises(ConnectionResetError):
            await connecting


async def test_a_peer_that_stalls(certificates, reported):
    async with handshaking(certificates, ssl_handshake_timeout=0.05) as (connecting, _):
        text = r"SSL handshake is taking longer than 0\.05 seconds: aborting the connection"
        with pytest.raises(ConnectionAbortedError, match=text):
            await connecting
    assert reported == []


async def test_a_client_that_stalls(certificates, reported, until):
    loop = asyncio.get_running_loop()
    made = []
    server = await loop.create_server(
        lambda: made.append(Recorder()) or made[-1],
        "127.0.0.1",
        0,
        ssl=certificates.server,
        ssl_handshake_timeout=0.05,
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert [protocol.calls for protocol in made] == [[]]
    assert reported == []


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_timeout_is_positive(certificates, name, seconds):
    ours, theirs = tcp_pair()
    text = f"{name} should be a positive number, got {seconds}"
    with theirs, ours, pytest.raises(ValueError, match=text):
        await asyncio.get_running_loop().create_connection(
            Recorder,
            sock=ours,
            ssl=certificates.client,
            server_hostname="localhost",
            **{name: seconds},
        )


async def test_a_failed_handshake_is_no_matter_to_the_server(certificates, reported):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=certificates.server)
    address = server.sockets[0].getsockname()
    async with server:
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(garbage)
            writer.write_eof()
            assert b"HTTP" not in await reader.read()
            writer.close()
        transport, protocol = await loop.create_connection(
            Recorder, *address, ssl=certificates.client, server_hostname="localhost"
        )
        transport.close()
        assert await protocol.lost is None
        server.close()
        await server.wait_closed()
    assert reported == []


async def test_a_protocol_that_fails_to_begin(certificates, reported):
    class Failing(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ZeroDivisionError("begin")

    async with handshaking(certificates, Failing) as (connecting, peer):
        with pytest.raises((EOFError, ConnectionError)):
            await peer.handshake_and_read()
        with pytest.raises(ZeroDivisionError):
            await connecting
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_a_cancelled_connect_leaves_nothing(certificates):
    context = certificates.client_context()
    async with handshaking(certificates, context=context) as (connecting, peer):
        await peer.receive()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert not await peer.receive()
    gone = weakref.ref(context)
    del context, connecting, peer
    gc.collect()
    assert gone() is None


async def test_true_stands_for_the_default_context(certificates):
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    with theirs:
        peer = Peer(theirs, certificates.server)
        outcomes = await asyncio.gather(
            loop.create_connection(Recorder, sock=ours, ssl=True, server_hostname="localhost"),
            peer.handshake(),
            return_exceptions=True,
        )
    assert isinstance(outcomes[0], ssl.SSLCertVerificationError)
