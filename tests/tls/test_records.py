"""The stream of records, cut and spoiled in every way: nothing is lost, made up or hung upon."""

import asyncio
import contextlib
import itertools
import ssl

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="makes the streams of these tests")
from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transport.protocols import BufferedRecorder, Recorder  # noqa: E402

from .peer import connected, handshaking  # noqa: E402

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

messages = st.lists(st.integers(1, 40_000).map(lambda size: b"m" * size), min_size=1, max_size=6)
cuts = st.lists(st.integers(0, 1 << 17), max_size=12)
rooms = st.sampled_from([None, 1000, 20_000])
versions = st.sampled_from([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def parts_of(data, cuts):
    """`data` in parts that end at the `cuts`."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if b > a]


def limited(context, version):
    context.minimum_version = context.maximum_version = version
    return context


class ViewRecorder(BufferedRecorder):
    """Gives a view, of which a part is no copy: the stock transport relies on that."""

    def __init__(self, size):
        super().__init__(size)
        self.buffer = memoryview(self.buffer)


def factory(room):
    return Recorder if room is None else lambda: ViewRecorder(room)


def numbered(messages):
    """Messages of which each differs from the others."""
    return [bytes([number + 1]) * len(one) for number, one in enumerate(messages)]


def encrypted(peer, messages):
    """The records of `messages`."""
    for message in messages:
        view = memoryview(message)
        while view:
            view = view[peer.tls.write(view) :]
    return peer.outgoing.read()


async def deliver(peer, parts):
    """Send each part so that the other side reads it by itself, as far as that can be had."""
    for part in parts:
        await peer.send(part)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@many
@given(messages=messages, cuts=cuts, room=rooms, version=versions)
def test_any_cuts_give_the_same_data(run, certificates, messages, cuts, room, version):
    async def scenario():
        context = limited(certificates.client_context(), version)
        async with connected(certificates, factory(room), context=context) as (protocol, peer):
            sent = numbered(messages)
            stream = encrypted(peer, sent)
            sending = asyncio.ensure_future(deliver(peer, parts_of(stream, cuts)))
            while len(protocol.data) < sum(map(len, sent)):
                await asyncio.sleep(0)
            await sending
            assert protocol.data == b"".join(sent)
            assert not protocol.transport.is_closing()

    run(scenario())


@many
@given(cuts=cuts, version=versions)
def test_any_cuts_of_a_handshake(run, certificates, cuts, version):
    async def scenario():
        context = limited(certificates.client_context(), version)
        async with handshaking(certificates, context=context) as (connecting, peer):
            send = peer.send

            async def send_in_parts(data):
                for part in parts_of(data, cuts):
                    await send(part)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)

            peer.send = send_in_parts
            (transport, protocol), _ = await asyncio.gather(connecting, peer.handshake())
            await peer.write(b"spam")
            while not protocol.data:
                await asyncio.sleep(0)
            assert protocol.data == b"spam"
            transport.abort()
            await protocol.lost

    run(scenario())


@pytest.mark.nalsil_only  # the stock transport drops what did not fit the buffer before the end
@many
@given(messages=messages, cuts=cuts, room=rooms, end=st.integers(0, 1 << 17), version=versions)
@example(messages=[b"m" * 10], cuts=[], room=None, end=3, version=ssl.TLSVersion.TLSv1_3)
def test_a_stream_that_breaks_off(run, certificates, messages, cuts, room, end, version):
    """Whole records are delivered, a part of one is not, and the end comes either way."""

    async def scenario():
        context = limited(certificates.client_context(), version)
        async with connected(certificates, factory(room), context=context) as (protocol, peer):
            sent = numbered(messages)
            stream = encrypted(peer, sent)
            stream = stream[: end % (len(stream) + 1)]
            await deliver(peer, parts_of(stream, cuts))
            peer.sock.close()
            assert await protocol.lost is None
            assert b"".join(sent).startswith(bytes(protocol.data))
            assert len(protocol.data) >= whole_data(peer, stream, sent)
            assert protocol.calls[-2:] == ["eof_received", "connection_lost"]

    run(scenario())


def whole_data(peer, stream, sent):
    """How many bytes of data the whole records of `stream` hold, without the session tickets."""
    sizes = []
    place = 0
    while place + 5 <= len(stream):
        length = int.from_bytes(stream[place + 3 : place + 5], "big")
        place += 5 + length
        if place <= len(stream):
            sizes.append(length)
    # Each record adds less than 50 bytes to its data, and a message of 16 KiB is cut into several.
    least = sum(max(0, size - 50) for size in sizes)
    return min(least, sum(map(len, sent)))


@many
@given(
    messages=messages,
    cuts=cuts,
    room=rooms,
    place=st.integers(0, 1 << 17),
    flip=st.integers(1, 255),
    version=versions,
)
def test_a_stream_that_is_spoiled(run, certificates, messages, cuts, room, place, flip, version):
    """What came before the spoiled record is delivered, nothing after it, and who reads is told."""

    async def scenario():
        context = limited(certificates.client_context(), version)
        async with connected(certificates, factory(room), context=context) as (protocol, peer):
            sent = numbered(messages)
            stream = bytearray(encrypted(peer, sent))
            stream[place % len(stream)] ^= flip
            with_end = asyncio.ensure_future(spoiled(peer, parts_of(bytes(stream), cuts)))
            error = await protocol.lost
            await with_end
            assert error is None or isinstance(error, ssl.SSLError | ConnectionError)
            assert b"".join(sent).startswith(bytes(protocol.data))
            assert len(protocol.data) < sum(map(len, sent))

    async def spoiled(peer, parts):
        with contextlib.suppress(OSError):
            await deliver(peer, parts)
        peer.sock.close()

    run(scenario())


@many
@given(garbage=st.binary(min_size=1, max_size=2000), cuts=cuts)
def test_garbage_in_the_middle(run, certificates, garbage, cuts):
    async def scenario():
        async with connected(certificates) as (protocol, peer):
            await peer.write(b"spam")
            while not protocol.data:
                await asyncio.sleep(0)
            with contextlib.suppress(OSError):
                await deliver(peer, parts_of(garbage, cuts))
            peer.sock.close()
            error = await protocol.lost
            assert error is None or isinstance(error, ssl.SSLError | ConnectionError)
            assert protocol.data == b"spam"

    run(scenario())


@many
@given(garbage=st.binary(min_size=1, max_size=2000), cuts=cuts)
def test_garbage_for_a_handshake(run, certificates, garbage, cuts):
    async def scenario():
        async with handshaking(certificates) as (connecting, peer):
            await peer.receive()
            with contextlib.suppress(OSError):
                await deliver(peer, parts_of(garbage, cuts))
            peer.sock.close()
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connecting

    run(scenario())
