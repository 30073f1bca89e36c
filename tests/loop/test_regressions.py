"""What broke once in the loop itself; each test is named after what has to stay whole."""

import asyncio
import gc
import os
import signal
import socket
import weakref

import pytest

MINUS_INFINITY = float("-inf")


class Thing:
    """Something that can be called and that a weak reference can point at."""

    def __call__(self, *args):
        return None


def is_gone(reference):
    gc.collect()
    return reference() is None


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_a_long_chain_of_handles_is_freed_without_running_out_of_stack(program, schedule):
    before = "" if schedule == "call_soon" else "1e6 - number, "
    done = program(f"""
        import gc
        loop = new_event_loop()
        chain = None
        for number in range(300_000):
            chain = loop.{schedule}({before}print, chain)
        del chain
        loop.close()
        gc.collect()
        print("freed")
    """)
    assert (done.returncode, done.stdout) == (0, "freed\n"), done.stderr


def test_a_timer_at_minus_infinity_is_due_at_once(loop):
    seen = []
    loop.call_later(MINUS_INFINITY, seen.append, "later")
    loop.call_at(MINUS_INFINITY, seen.append, "at")
    loop.call_at(MINUS_INFINITY, loop.stop)
    loop.run_forever()
    assert seen == ["later", "at"]


def test_a_cancelled_timer_at_minus_infinity_does_not_run(loop, reported):
    loop.call_at(MINUS_INFINITY, reported.append, "ran").cancel()
    loop.call_at(MINUS_INFINITY, loop.stop)
    loop.run_forever()
    assert reported == []


@pytest.mark.nalsil_only  # the stock loop raises the failure of the repr in its place
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_debug_mode_keeps_the_exception_that_ends_the_run(loop, kind):
    class Unprintable:
        def __call__(self):
            raise kind("the end")

        def __repr__(self):
            raise ValueError("no repr")

    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.call_soon(Unprintable())
    with pytest.raises(kind, match="the end"):
        loop.run_forever()


@pytest.mark.parametrize("slot", ["_callback", "_args", "_repr", "_source_traceback"])
@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_what_is_put_into_a_slot_of_the_handle_s_base_goes_away_with_it(loop, schedule, slot):
    before = (3600,) if schedule == "call_later" else ()
    thing = Thing()
    reference = weakref.ref(thing)
    handle = getattr(loop, schedule)(*before, Thing())
    getattr(asyncio.Handle, slot).__set__(handle, (thing,))
    # The stock loop would call, or print, what is in the slot.
    handle.cancel()
    getattr(asyncio.Handle, slot).__set__(handle, (thing,))
    del handle, thing
    loop.close()
    assert is_gone(reference)


def test_a_replaced_reader_s_event_does_not_reach_its_successor_in_the_same_turn(loop):
    seen = []
    pairs = [socket.socketpair() for _ in range(2)]
    (one, one_peer), (other, other_peer) = pairs

    def take_both_and_replace(another):
        seen.append("first")
        for sock, _ in pairs:
            sock.recv(1)
        loop.add_reader(another, seen.append, "successor")
        # Two turns: the rest of this one, and one that looks at the descriptors again.
        loop.call_soon(loop.call_soon, loop.stop)

    loop.add_reader(one, take_both_and_replace, other)
    loop.add_reader(other, take_both_and_replace, one)
    one_peer.send(b"x")
    other_peer.send(b"x")
    loop.run_forever()
    for sock, peer in pairs:
        loop.remove_reader(sock)
        sock.close()
        peer.close()
    assert seen == ["first"]


def test_a_wakeup_descriptor_that_the_program_sets_during_the_run_stays(loop):
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)

        async def main():
            signal.set_wakeup_fd(writing.fileno())

        try:
            loop.run_until_complete(main())
        finally:
            left = signal.set_wakeup_fd(-1)
        assert left == writing.fileno()


def test_a_wakeup_descriptor_from_before_the_run_is_there_after_it(loop):
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        try:
            loop.run_until_complete(asyncio.sleep(0))
        finally:
            left = signal.set_wakeup_fd(-1)
        assert left == writing.fileno()


@pytest.mark.nalsil_only  # the stock loop says 255
async def test_a_child_that_popen_has_reaped_gives_its_own_status():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("sh", "-c", "read line; exit 7", stdin=pipe)
    # Before the loop has another turn, so that Popen is the first to see the end.
    process.stdin.write(b"go\n")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process._transport._proc.poll() == 7
    assert await process.wait() == 7
    assert process.returncode == 7
