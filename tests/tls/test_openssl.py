"""A peer of OpenSSL's own, which changes its keys or negotiates anew in the middle of the data."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess

import pytest
from transport.protocols import Recorder

OPENSSL = shutil.which("openssl")

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="there is no `openssl`")

MUCH = 2_000_000


class Server:
    """`openssl s_server`: what is said to it goes to the client, but for commands of one letter."""

    port = 0

    def __init__(self, process):
        self.process = process
        self.said = bytearray()

    async def read(self):
        """Wait for the program to print more."""
        read = self.process.stdout.read1
        part = await asyncio.get_running_loop().run_in_executor(None, read, 1 << 16)
        assert part, bytes(self.said[-1000:])
        self.said += part

    async def says(self, text):
        """Wait until the program prints `text`, and forget what it has printed so far."""
        while text not in self.said:
            await self.read()
        del self.said[: self.said.index(text) + len(text)]

    async def count(self, byte, count):
        """Wait until the program has printed `byte` so many times, and forget that."""
        found = 0
        while True:
            found += self.said.count(byte)
            self.said = self.said.replace(byte, b"")
            if found == count:
                return
            await self.read()

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()


@contextlib.asynccontextmanager
async def serving(certificates, folder, version):
    path = folder / "server.pem"
    certificates.authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        path
    )
    command = [OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-cert", path, "-key", path, version]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with process:
        server = Server(process)
        try:
            await server.says(b"ACCEPT 127.0.0.1:")
            while b"\n" not in server.said:
                await server.read()
            server.port = int(server.said.partition(b"\n")[0])
            yield server
        finally:
            process.kill()


async def connect(certificates, port):
    return await asyncio.get_running_loop().create_connection(
        Recorder, "127.0.0.1", port, ssl=certificates.client, server_hostname="localhost"
    )


@pytest.mark.parametrize(
    ("version", "command"),
    [("-tls1_3", b"k\n"), ("-tls1_3", b"K\n"), ("-tls1_2", b"r\n")],
    ids=["new keys", "new keys of both", "renegotiation"],
)
async def test_data_goes_on(certificates, tmp_path, until, version, command):
    async with serving(certificates, tmp_path, version) as server:
        transport, protocol = await connect(certificates, server.port)
        for number in range(1, 4):
            server.say(b"before\n")
            await until(lambda number=number: protocol.data.count(b"before\n") == number)
            server.say(command)
            # Much of it meets the new handshake, of which the program tells with its next words.
            transport.write(b"~" * MUCH)
            await server.count(b"~", MUCH)
            await server.says(b"SSL_do_handshake -> 1")
            server.say(b"after\n")
            await until(lambda number=number: protocol.data.count(b"after\n") == number)
        assert protocol.data == b"before\nafter\n" * 3
        assert transport.get_extra_info("ssl_object").version() in {"TLSv1.2", "TLSv1.3"}
        transport.close()
        error = await protocol.lost
        assert error is None or isinstance(error, ssl.SSLError | ConnectionError)
