"""Whatever both sides do in whatever order: one end, no byte out of place, no error of the loop."""

import asyncio
import contextlib
import ssl

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="makes the orders of these tests")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transport.protocols import BufferedRecorder, Recorder  # noqa: E402

from .peer import connected, reset  # noqa: E402

many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

OURS = ("write", "write much", "pause", "resume", "close", "abort")
THEIRS = ("send", "send much", "end TLS", "end", "reset", "read", "garbage")

steps = st.lists(st.sampled_from([*OURS, *THEIRS, "turn", "turn", "turn"]), max_size=25)


class Play:
    """One connection, and what each step does to it."""

    def __init__(self, protocol, peer):
        self.protocol, self.peer = protocol, peer
        self.transport = protocol.transport
        self.sent = bytearray()

    async def do(self, step):
        if step in OURS:
            self.ours(step)
        elif step == "turn":
            await asyncio.sleep(0)
        else:
            # Who is gone can do nothing more.
            with contextlib.suppress(OSError, ssl.SSLError):
                self.theirs(step)

    def ours(self, step):
        match step:
            case "write":
                self.transport.write(b"x" * 10)
            case "write much":
                self.transport.writelines([b"x" * 300_000, b"y"])
            case "pause":
                self.transport.pause_reading()
            case "resume":
                self.transport.resume_reading()
            case "close":
                self.transport.close()
            case "abort":
                self.transport.abort()

    def theirs(self, step):
        sock, tls = self.peer.sock, self.peer.tls
        match step:
            case "send" | "send much":
                data = bytes([len(self.sent) % 251]) * (10 if step == "send" else 40_000)
                view = memoryview(data)
                while view:
                    view = view[tls.write(view) :]
                self.sent += data
                self.flush()
            case "end TLS":
                try:
                    tls.unwrap()
                finally:
                    self.flush()
            case "end":
                sock.shutdown(1)
            case "reset":
                reset(sock)
            case "read":
                self.peer.incoming.write(sock.recv(1 << 20))
            case "garbage":
                sock.send(b"garbage" * 3)

    def flush(self):
        """What does not go is lost, as if the peer were cut off there."""
        if self.peer.outgoing.pending:
            self.peer.sock.send(self.peer.outgoing.read())


@pytest.mark.nalsil_only  # the stock transport fails at a second close, or tells the end twice
@many
@given(steps=steps, room=st.sampled_from([None, 7, 20_000]))
def test_any_order(run, certificates, steps, room):
    async def scenario():
        factory = Recorder if room is None else lambda: BufferedRecorder(room)
        async with connected(certificates, factory, ssl_shutdown_timeout=0.05) as (
            protocol,
            peer,
        ):
            play = Play(protocol, peer)
            for step in steps:
                await play.do(step)
            play.transport.resume_reading()
            play.transport.close()
            error = await protocol.lost
            assert error is None or isinstance(error, OSError)
            assert bytes(play.sent).startswith(bytes(protocol.data))
            calls = protocol.calls
            assert calls[0] == "connection_made"
            assert calls.count("connection_lost") == 1
            assert calls[-1] == "connection_lost"
            assert calls.count("eof_received") <= 1
            if "eof_received" in calls:
                after = calls[calls.index("eof_received") :]
                assert not {"data_received", "buffer_updated"} & set(after)

    run(scenario())
