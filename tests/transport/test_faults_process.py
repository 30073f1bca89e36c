"""A process at its limits: out of descriptors, ten thousand connections, many loops, fork."""

import asyncio
import os
import resource
import socket

import pytest

from .protocols import Echo, Recorder


def test_running_out_of_descriptors_while_accepting_recovers(program):
    done = program("""
        import asyncio, logging, os, resource, socket
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)

        accepted = []
        class Greeter(asyncio.Protocol):
            def connection_made(self, transport):
                accepted.append(transport)
                transport.write(b"hello")

        async def main():
            loop = asyncio.get_running_loop()
            reported = []
            loop.set_exception_handler(lambda _loop, context: reported.append(context))
            server = await loop.create_server(Greeter, "127.0.0.1", 0, backlog=20)
            address = server.sockets[0].getsockname()
            clients = [socket.socket() for _ in range(20)]
            hoard = []
            soft = len(os.listdir("/proc/self/fd")) + 5
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            try:
                while True:
                    hoard.append(os.dup(0))
            except OSError:
                pass
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, address)
            while not reported:
                await asyncio.sleep(0.01)
            print("reported", type(reported[0]["exception"]).__name__, len(accepted))
            # A loop that does not rest would report thousands of times.
            await asyncio.sleep(0.3)
            print("few" if len(reported) < 100 else f"{len(reported)} reports")
            for fd in hoard:
                os.close(fd)
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (soft + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            for client in clients:
                assert await loop.sock_recv(client, 10) == b"hello"
            print("served", len(accepted))
            for client in clients:
                client.close()
            server.close()
            while not all(transport.is_closing() for transport in accepted):
                await asyncio.sleep(0.001)
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert done.stdout.splitlines() == ["reported OSError 0", "few", "served 20"], done.stderr


@pytest.mark.parametrize(
    "attempt",
    [
        "loop.create_connection(asyncio.Protocol, *address)",
        pytest.param(
            'loop.create_server(asyncio.Protocol, "127.0.0.1", 0)',
            marks=pytest.mark.stock_since(3, 13),
        ),
        'loop.create_unix_server(asyncio.Protocol, "/nowhere")',
        'loop.create_unix_connection(asyncio.Protocol, "/nowhere")',
    ],
)
def test_running_out_of_descriptors_is_told_and_recovers(program, attempt):
    done = program(f"""
        import asyncio, os, resource
        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            hoard = []
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            soft = len(os.listdir("/proc/self/fd")) + 5
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            try:
                while True:
                    hoard.append(os.dup(0))
            except OSError:
                pass
            try:
                await {attempt}
            except OSError:
                print("told")
            for fd in hoard:
                os.close(fd)
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            print("connected")
            transport.close()
            server.close()
            await asyncio.sleep(0.01)
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert done.stdout.splitlines() == ["told", "connected"], done.stderr


@pytest.mark.nalsil_only  # the stock loop leaks what it had opened before it failed
def test_a_loop_made_without_descriptors_fails_and_leaks_nothing(program):
    done = program("""
        import os, resource
        new_event_loop().close()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        before = set(os.listdir("/proc/self/fd"))
        for spare in range(8):
            hoard = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            try:
                while True:
                    hoard.append(os.dup(0))
            except OSError:
                pass
            for fd in hoard[len(hoard) - spare:]:
                os.close(fd)
            try:
                new_event_loop().close()
                print("made")
            except OSError as error:
                print(error.errno)
            for fd in hoard[:len(hoard) - spare]:
                os.close(fd)
            assert set(os.listdir("/proc/self/fd")) == before
        loop = new_event_loop()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
    """)
    outcomes = done.stdout.split()
    assert done.returncode == 0, done.stderr
    assert outcomes[0] == "24"
    assert outcomes[-1] == "made"
    assert outcomes == sorted(outcomes)


CONNECTIONS = 10_000
ROOM = CONNECTIONS + 100


@pytest.mark.hang_after(240)
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < ROOM,
    reason=f"ten thousand connections want a hard limit of {ROOM} descriptors",
)
def test_ten_thousand_idle_connections(start_program):
    raise_limit = f"""
            import asyncio, resource, socket
            resource.setrlimit(
                resource.RLIMIT_NOFILE, ({ROOM}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    """
    server = start_program(
        raise_limit
        + """
            import time
            transports = []
            class Echo(asyncio.Protocol):
                def connection_made(self, transport):
                    self.transport = transport
                    transports.append(transport)
                def data_received(self, data):
                    self.transport.write(data)
            async def main():
                loop = asyncio.get_running_loop()
                server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
                print(server.sockets[0].getsockname()[1])
                await loop.run_in_executor(None, input)
                print(len(transports))
                before = time.process_time()
                await asyncio.sleep(1)
                print(time.process_time() - before)
                await loop.run_in_executor(None, input)
                server.close()
                server.abort_clients() if hasattr(server, "abort_clients") else [
                    transport.abort() for transport in transports]
                await asyncio.sleep(0)
            loop = new_event_loop()
            loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            print("closed")
    """
    )
    port = int(server.stdout.readline())
    client = start_program(
        raise_limit
        + f"""
            socks = [socket.create_connection(("127.0.0.1", {port})) for _ in range({CONNECTIONS})]
            print("connected")
            input()
            for number, sock in enumerate(socks):
                sock.sendall(b"%05d" % number)
            for number, sock in enumerate(socks):
                assert sock.recv(5) == b"%05d" % number
            print("echoed")
            input()
    """
    )
    assert client.stdout.readline() == "connected\n"
    say(client)
    assert client.stdout.readline() == "echoed\n"
    say(server)
    assert int(server.stdout.readline()) == CONNECTIONS
    idle_cpu = float(server.stdout.readline())
    assert idle_cpu < 0.2, "seconds of CPU in one idle second"
    say(server)
    assert server.stdout.readline() == "closed\n", server.stderr.read()
    say(client)
    assert client.wait(60) == 0
    assert server.wait(60) == 0


def say(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_thousand_loops_leave_nothing(program):
    done = program("""
        import asyncio, gc, os, socket
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            loop.call_later(3600, print)
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))
            transport.close()
            server.close()
            await asyncio.sleep(0.0001)
        def live():
            loop = new_event_loop()
            loop.run_until_complete(main())
            loop.close()
        import warnings
        warnings.simplefilter("ignore", ResourceWarning)
        # Allocators take a while to have all they keep.
        for _ in range(2000):
            live()
        gc.collect()
        descriptors, memory = len(os.listdir("/proc/self/fd")), resident()
        for _ in range(1000):
            live()
        gc.collect()
        print(len(os.listdir("/proc/self/fd")) - descriptors, (resident() - memory) // 1_000_000)
    """)
    descriptors, memory = map(int, done.stdout.split())
    assert descriptors == 0
    assert memory < 2, "MB more after 1,000 loops"


class TestFork:
    """os.fork() in a running program."""

    pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

    async def test_the_child_runs_a_loop_of_its_own_and_the_parent_goes_on(
        self, loop, new_loop, until
    ):
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address)
        transport.write(b"before")
        await until(lambda: protocol.data == b"before")
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os._exit(in_child(new_loop, writing))
        os.close(writing)
        transport.write(b" and after")
        await until(lambda: protocol.data == b"before and after")
        await asyncio.sleep(0.01)
        said = await loop.run_in_executor(None, os.read, reading, 1000)
        os.close(reading)
        _, status = await loop.run_in_executor(None, os.waitpid, child, 0)
        assert said == b"child echoed"
        assert os.waitstatus_to_exitcode(status) == 0
        transport.write(b", still here")
        await until(lambda: protocol.data.endswith(b", still here"))
        transport.close()
        await protocol.lost
        server.close()
        await asyncio.sleep(0.01)

    async def test_in_the_child_no_loop_is_running(self, loop):
        child = os.fork()
        if not child:
            try:
                asyncio.get_running_loop()
                os._exit(1)
            except RuntimeError:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    async def test_a_child_that_only_ends_disturbs_nothing(self, loop):
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            receiving = loop.create_task(loop.sock_recv(left, 10))
            await asyncio.sleep(0)
            for _ in range(3):
                child = os.fork()
                if not child:
                    os._exit(0)
                os.waitpid(child, 0)
            right.send(b"x")
            assert await receiving == b"x"

    def test_a_child_may_close_the_loop_it_inherited(self, loop):
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            loop.add_reader(left, loop.stop)
            child = os.fork()
            if not child:
                try:
                    loop.close()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            # The child's goodbye must not have taken the parent's registrations.
            loop.call_soon(right.send, b"x")
            loop.run_forever()
            assert left.recv(1) == b"x"
            loop.remove_reader(left)


def in_child(new_loop, writing):
    """What the forked child does; gives its exit status."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        transport.write(b"child echoed")
        while len(protocol.data) < 12:
            await asyncio.sleep(0)
        os.write(writing, protocol.data)
        transport.close()
        await protocol.lost
        server.close()

    try:
        loop = new_loop()
        loop.run_until_complete(main())
        loop.close()
    except BaseException:
        return 1
    return 0
