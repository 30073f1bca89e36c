"""Signal handlers, and Ctrl-C."""

import asyncio
import os
import signal
import threading

import pytest


def send(number):
    os.kill(os.getpid(), number)


def test_a_handler_is_called_in_the_loop(loop):
    seen = []

    def on_signal(*args):
        seen.append((args, asyncio.get_running_loop(), threading.current_thread()))
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, on_signal, 1, "two")
    loop.call_soon(send, signal.SIGUSR1)
    loop.run_forever()
    assert seen == [((1, "two"), loop, threading.main_thread())]


def test_a_signal_wakes_a_sleeping_loop(loop):
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    timer = threading.Timer(0.05, send, (signal.SIGUSR1,))
    timer.start()
    loop.run_forever()
    timer.join()


def test_every_one_of_several_signals_is_seen(loop):
    seen = []

    def note(number):
        seen.append(number)
        if len(seen) == 3:
            loop.stop()

    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH]
    for number in numbers:
        loop.add_signal_handler(number, note, number)
    for number in numbers:
        loop.call_soon(send, number)
    loop.run_forever()
    assert sorted(seen) == sorted(numbers)


def test_a_new_handler_replaces_the_old_one(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "old")
    loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append("new"), loop.stop()))
    loop.call_soon(send, signal.SIGUSR1)
    loop.run_forever()
    assert seen == ["new"]


def test_remove_tells_whether_there_was_one_and_brings_back_the_default(loop):
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    loop.add_signal_handler(signal.SIGUSR1, print)
    assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_remove_for_sigint_brings_back_keyboard_interrupt(loop):
    loop.add_signal_handler(signal.SIGINT, print)
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_close_removes_the_handlers(loop):
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    previous = signal.set_wakeup_fd(-1)
    assert previous == -1


def test_a_handler_that_raises_is_reported(loop, reported):
    def fail():
        loop.stop()
        raise LookupError("in the handler")

    loop.add_signal_handler(signal.SIGUSR1, fail)
    loop.call_soon(send, signal.SIGUSR1)
    loop.run_forever()
    assert "in the handler" in str(reported[0]["exception"])


def test_a_python_handler_of_signal_signal_runs_while_the_loop_sleeps(loop):
    seen = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: seen.append(True))
    timer = threading.Timer(0.02, send, (signal.SIGUSR1,))
    try:
        timer.start()

        async def main():
            while not seen:
                await asyncio.sleep(0.01)

        loop.run_until_complete(main())
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, previous)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_some_signals_cannot_be_caught(loop, number):
    with pytest.raises(RuntimeError, match=f"sig {int(number)} cannot be caught"):
        loop.add_signal_handler(number, print)


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_a_number_that_is_no_signal_is_refused(loop, number):
    with pytest.raises(ValueError, match="invalid signal number"):
        loop.add_signal_handler(number, print)
    with pytest.raises(ValueError, match="invalid signal number"):
        loop.remove_signal_handler(number)


def test_a_signal_must_be_a_number(loop):
    with pytest.raises(TypeError, match="sig must be an int"):
        loop.add_signal_handler("SIGINT", print)
    with pytest.raises(TypeError, match="sig must be an int"):
        loop.remove_signal_handler("SIGINT")


def test_coroutines_are_no_handlers(loop):
    async def handler():
        return None

    with pytest.raises(TypeError, match="coroutines cannot be used with add_signal_handler"):
        loop.add_signal_handler(signal.SIGUSR1, handler)


def test_another_thread_may_not_add_one(loop):
    caught = []

    def other_thread():
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except (ValueError, RuntimeError) as error:
            caught.append(error)

    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


class TestControlC:
    """SIGINT sent to a program that runs under `asyncio.Runner`."""

    def interrupt(self, start_program, source):
        process = start_program(source)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def test_while_asleep_cancels_the_main_task(self, start_program):
        code, out, err = self.interrupt(
            start_program,
            """
            import asyncio
            async def main():
                print("ready")
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    print("cancelled")
                    raise
                finally:
                    print("finally")
            try:
                with asyncio.Runner(loop_factory=new_event_loop) as runner:
                    runner.run(main())
            except KeyboardInterrupt:
                print("interrupted")
            """,
        )
        assert out.split() == ["cancelled", "finally", "interrupted"], err
        assert code == 0

    def test_ends_a_program_that_does_not_catch_it(self, start_program):
        code, out, err = self.interrupt(
            start_program,
            """
            import asyncio
            async def main():
                print("ready")
                await asyncio.Event().wait()
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
            """,
        )
        assert out == ""
        assert "KeyboardInterrupt" in err
        assert code == -signal.SIGINT

    def test_while_callbacks_keep_it_busy(self, start_program):
        _, out, err = self.interrupt(
            start_program,
            """
            import asyncio
            async def main():
                loop = asyncio.get_running_loop()
                def again():
                    loop.call_soon(again)
                again()
                print("ready")
                await asyncio.Event().wait()
            try:
                with asyncio.Runner(loop_factory=new_event_loop) as runner:
                    runner.run(main())
            except KeyboardInterrupt:
                print("interrupted")
            """,
        )
        assert out == "interrupted\n", err

    def test_in_run_forever_without_a_runner(self, start_program):
        _, out, err = self.interrupt(
            start_program,
            """
            loop = new_event_loop()
            loop.call_soon(print, "ready")
            try:
                loop.run_forever()
            except KeyboardInterrupt:
                print("interrupted", loop.is_running())
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()
            """,
        )
        assert out == "interrupted False\n", err

    def test_a_second_one_interrupts_a_program_that_ignores_the_cancellation(self, start_program):
        process = start_program(
            """
            import asyncio
            async def main():
                print("ready")
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    print("ignored")
                await asyncio.sleep(3600)
            try:
                with asyncio.Runner(loop_factory=new_event_loop) as runner:
                    runner.run(main())
            except KeyboardInterrupt:
                print("interrupted")
            """
        )
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ignored\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == "interrupted\n"

    def test_a_handler_of_the_program_takes_its_place(self, start_program):
        code, out, err = self.interrupt(
            start_program,
            """
            import asyncio, signal
            async def main():
                stop = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
                print("ready")
                await stop.wait()
                print("stopped")
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
            """,
        )
        assert (code, out) == (0, "stopped\n"), err
