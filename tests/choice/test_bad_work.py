"""Work that misbehaves: its row says what happened, the others are measured, nothing stays."""

from __future__ import annotations

import pytest

FORMS = ("plain", "threads", "processes")
SURVIVES = "import time\ndef f(item):\n    time.sleep(0.002)\n    return item\n"


def failed(answer, *forms):
    """The errors of rows that have to have failed."""
    found = []
    for form in forms or FORMS:
        for row in answer.rows(form):
            assert not row["measured"], row
            assert row["status"] == "failed", row
            assert row["note"], row
            found += row["errors"]
    return found


def one_form_fails(answer, form):
    """`form` failed, the others were measured and one of them is the verdict."""
    errors = failed(answer, form)
    assert answer.measured == set(FORMS) - {form}
    assert answer.verdict["form"] in answer.measured
    assert answer.status == 0
    return errors


class TestRaises:
    def test_always(self, compare, work):
        work("def f(item):\n    raise LookupError('no such thing')")
        answer = compare("work.py:f")
        for error in failed(answer):
            assert error["type"] == "LookupError"
            assert error["message"] == "no such thing"
            assert error["where"] == "work.py:2"
            assert error["count"] >= 1
        assert answer.verdict["form"] is None
        assert answer.status == 1
        assert "LookupError" in answer.text
        assert "work.py:2" in answer.text

    def test_for_one_item(self, compare, work):
        work("def f(item):\n    return 1 / (5 - item)")
        errors = failed(compare("work.py:f"))
        assert {(error["type"], error["where"]) for error in errors} == {
            ("ZeroDivisionError", "work.py:2")
        }

    def test_in_code_that_the_file_calls(self, compare, work):
        """The line is the user's own, not the library's."""
        work("import json\ndef f(item):\n    return json.loads('{')")
        errors = failed(compare("work.py:f"))
        assert {(error["type"], error["where"]) for error in errors} == {
            ("JSONDecodeError", "work.py:3")
        }

    def test_in_threads_only(self, compare, work):
        work(
            """
            import threading

            def f(item):
                if threading.current_thread() is not threading.main_thread():
                    raise RuntimeError("not in the main thread")
                return item
            """
        )
        answer = compare("work.py:f")
        errors = failed(answer, "threads")
        assert {error["type"] for error in errors} == {"RuntimeError"}
        assert "plain" in answer.measured
        assert answer.verdict["form"] != "threads"

    def test_in_processes_only(self, compare, work):
        work(
            """
            import multiprocessing

            def f(item):
                if multiprocessing.parent_process() is not None:
                    raise RuntimeError("not in a child")
                return item
            """
        )
        errors = one_form_fails(compare("work.py:f"), "processes")
        assert errors[0]["type"] == "RuntimeError"
        assert errors[0]["where"] == "work.py:6"

    def test_in_a_coroutine(self, compare, work):
        work(SURVIVES + "async def g(item):\n    raise LookupError(item)")
        answer = compare("work.py:f,g")
        assert failed(answer, "coroutines")[0]["where"] == "work.py:6"
        assert set(FORMS) <= answer.measured
        assert answer.verdict["form"] != "coroutines"

    @pytest.mark.parametrize(
        "source",
        [
            "raise KeyboardInterrupt",
            "raise BaseException('odd')",
            "raise GeneratorExit",
            "raise StopIteration(5)",
            "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
            "raise type('Local', (Exception,), {'__init__': lambda self, a, b: None})(1, 2)",
            "raise ExceptionGroup('many', [ValueError(1), ValueError(2)])",
            "return f(item)",
        ],
    )
    def test_something_odd(self, compare, work, source):
        work(f"def f(item):\n    {source}")
        for error in failed(compare("work.py:f")):
            assert error["type"]

    def test_a_long_message_with_control_characters(self, compare, work):
        work("def f(item):\n    raise LookupError('\\x1b[31m\\r\\n' + 'long ' * 1_000_000)")
        answer = compare("work.py:f")
        failed(answer)
        assert "\x1b" not in answer.text
        assert len(answer.text) < 20_000
        assert max(map(len, answer.text.splitlines())) <= 100

    def test_cancelled_error_of_its_own(self, compare, work):
        work(SURVIVES + "import asyncio\nasync def g(item):\n    raise asyncio.CancelledError")
        answer = compare("work.py:f,g")
        assert failed(answer, "coroutines")[0]["type"] == "CancelledError"
        assert set(FORMS) <= answer.measured


class TestHangs:
    OPTIONS = ("--timeout", "2", "--concurrency", "2", "--rounds", "2", "--items", "4")

    @pytest.mark.hang_after(120)
    @pytest.mark.parametrize(
        "source",
        [
            "import time\ndef f(item):\n    time.sleep(3600)",
            "import ctypes\ndef f(item):\n    ctypes.PyDLL(None).sleep(3600)",
            "def f(item):\n    while True:\n        pass",
            "import threading\ndef f(item):\n    threading.Event().wait()",
            (
                "import signal, time\n"
                "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
                "    signal.signal(number, signal.SIG_IGN)\n"
                "def f(item):\n    time.sleep(3600)"
            ),
            "import subprocess\ndef f(item):\n    subprocess.run(['sleep', '3600'])",
        ],
        ids=["sleep", "sleep with the GIL", "spin", "lock", "ignores signals", "child"],
    )
    def test_in_every_form(self, compare, work, source):
        work(source)
        answer = compare("work.py:f", *self.OPTIONS)
        for form in FORMS:
            for row in answer.rows(form):
                assert row["status"] == "timed out", row
                assert not row["measured"]
                assert "2" in row["note"]
        assert answer.verdict["form"] is None
        assert answer.status == 1
        assert "timed out" in answer.text

    def test_in_coroutines_only(self, compare, work):
        work(SURVIVES + "import asyncio\nasync def g(item):\n    await asyncio.Event().wait()")
        answer = compare("work.py:f,g", *self.OPTIONS)
        assert answer.outcomes("coroutines") == {"timed out"}
        assert set(FORMS) <= answer.measured
        assert answer.status == 0

    def test_a_deadlock_of_threads_only(self, compare, work):
        """Two at once wait for a third, which plain code and processes never do."""
        work(
            """
            import threading, time

            inside = threading.Semaphore(0)
            count = 0

            def f(item):
                global count
                count += 1
                if threading.current_thread() is not threading.main_thread() and count > 2:
                    inside.acquire()
                time.sleep(0.002)
                return item
            """
        )
        answer = compare("work.py:f", *self.OPTIONS)
        assert "timed out" in answer.outcomes("threads")
        assert answer.rows("plain")[0]["measured"]
        assert answer.verdict["form"] != "threads"

    def test_in_setup(self, compare, work):
        work("import time\ndef setup():\n    time.sleep(3600)\ndef f(item):\n    return item")
        answer = compare("work.py:f", *self.OPTIONS)
        assert not answer.measured
        assert "setup" in answer.text


class TestEndsTheInterpreter:
    @pytest.mark.parametrize(
        ("source", "told"),
        [
            ("import os\ndef f(item):\n    os._exit(7)", "7"),
            ("import os\ndef f(item):\n    os._exit(0)", "0"),
            ("import sys\ndef f(item):\n    sys.exit(3)", "SystemExit"),
            ("import os\ndef f(item):\n    os.abort()", "SIGABRT"),
            ("import os\ndef f(item):\n    os.kill(os.getpid(), 9)", "SIGKILL"),
            ("import ctypes\ndef f(item):\n    ctypes.string_at(0)", "SIGSEGV"),
        ],
        ids=["_exit 7", "_exit 0", "sys.exit", "abort", "kill", "segfault"],
    )
    def test_in_every_form(self, compare, work, source, told):
        work(source)
        answer = compare("work.py:f")
        failed(answer)
        assert told in answer.row("plain")["note"] + str(answer.row("plain")["errors"])
        assert told in answer.text
        assert answer.verdict["form"] is None
        assert answer.status == 1

    def test_in_a_coroutine_only(self, compare, work):
        work(SURVIVES + "import os\nasync def g(item):\n    os._exit(7)")
        answer = compare("work.py:f,g")
        failed(answer, "coroutines")
        assert set(FORMS) <= answer.measured

    def test_in_a_worker_process_only(self, compare, work):
        work(
            """
            import multiprocessing, os

            def f(item):
                if multiprocessing.parent_process() is not None:
                    os._exit(7)
                return item
            """
        )
        one_form_fails(compare("work.py:f"), "processes")

    def test_in_the_third_call_of_a_form(self, compare, work):
        """What was measured before does not make the form a candidate."""
        work(
            """
            import os, threading, time

            count = 0

            def f(item):
                global count
                if threading.current_thread() is not threading.main_thread():
                    count += 1
                    if count > 20:
                        os._exit(7)
                time.sleep(0.002)
                return item
            """
        )
        answer = compare("work.py:f")
        assert all(row["status"] == "failed" for row in answer.rows("threads"))
        assert answer.verdict["form"] != "threads"


class TestTalks:
    def test_prints_a_lot(self, compare, work):
        work(
            """
            import os, sys

            def f(item):
                print("spam " * 20_000)
                print("eggs " * 20_000, file=sys.stderr)
                os.write(1, b"spam " * 20_000)
                os.write(2, b"eggs " * 20_000)
                return item
            """
        )
        answer = compare("work.py:f")
        assert set(FORMS) <= answer.measured
        assert "spam spam" not in answer.text + answer.complaint
        assert "eggs eggs" not in answer.text + answer.complaint

    def test_prints_while_it_is_imported(self, compare, work):
        work("print('spam')\n" + SURVIVES)
        answer = compare("work.py:f")
        assert set(FORMS) <= answer.measured
        assert "spam" not in answer.text

    def test_reads_its_input(self, compare, work):
        work("def f(item):\n    return input()")
        assert {error["type"] for error in failed(compare("work.py:f"))} == {"EOFError"}

    def test_has_no_output(self, compare, work):
        work("import sys\nsys.stdout = sys.stderr = None\n" + SURVIVES)
        assert set(FORMS) <= compare("work.py:f").measured

    def test_logs_and_warns(self, compare, work):
        work(
            """
            import logging, warnings

            def f(item):
                logging.error("spam")
                warnings.warn("eggs")
                return item
            """
        )
        answer = compare("work.py:f")
        assert set(FORMS) <= answer.measured
        assert "eggs" not in answer.text

    def test_returns_megabytes(self, compare, work):
        work("def f(item):\n    return bytes([item % 256]) * 5_000_000")
        answer = compare("work.py:f")
        assert set(FORMS) <= answer.measured
        assert answer.statuses == {"ok"}

    def test_returns_what_cannot_be_pickled(self, compare, work):
        work("def f(item):\n    return lambda: item")
        answer = compare("work.py:f")
        assert "plain" in answer.measured
        note = answer.row("processes")["note"]
        assert "pickle" in note
        assert answer.verdict["form"] in ("plain", "threads")

    def test_takes_what_cannot_be_pickled(self, compare, work):
        work(
            """
            things = [(lambda number=number: number) for number in range(8)]

            def f(thing):
                return thing()
            """
        )
        answer = compare("work.py:f", "--items", "things")
        row = answer.row("processes")
        assert row["status"] in ("failed", "skipped")
        assert "pickle" in row["note"]
        assert {"plain", "threads"} <= answer.measured
        assert answer.status == 0
        assert "pickle" in answer.text

    def test_takes_what_cannot_be_unpickled(self, compare, work):
        work(
            """
            def refuse(number):
                raise LookupError("not again")

            class Thing:
                def __reduce__(self):
                    return refuse, (1,)

            things = [Thing() for _ in range(8)]

            def f(thing):
                return 1
            """
        )
        answer = compare("work.py:f", "--items", "things")
        assert answer.row("processes")["status"] in ("failed", "skipped")
        assert {"plain", "threads"} <= answer.measured


class TestLeavesThingsBehind:
    """The fixture `command` looks for what still runs."""

    def test_a_child_that_sleeps(self, compare, work):
        work(
            """
            import os, time

            def f(item):
                if os.fork() == 0:
                    time.sleep(3600)
                    os._exit(0)
                return item
            """
        )
        assert "plain" in compare("work.py:f").measured

    def test_a_child_that_goes_on_as_its_parent(self, compare, work):
        """Both return from the call, and both may answer. Four times at most, or it is a bomb."""
        work(
            """
            import os

            def f(item):
                for number in range(4):
                    try:
                        os.close(os.open(f"forked-{number}", os.O_CREAT | os.O_EXCL))
                    except FileExistsError:
                        continue
                    os.fork()
                    break
                return item
            """
        )
        answer = compare("work.py:f", "--timeout", "5")
        assert answer.status in (0, 1)
        assert answer.report is not None

    def test_a_child_of_the_shell(self, compare, work):
        work(
            """
            import subprocess

            def f(item):
                subprocess.Popen("sleep 3600 & sleep 3600", shell=True)
                return item
            """
        )
        assert "plain" in compare("work.py:f", "--items", "4").measured

    def test_threads_that_never_end(self, compare, work):
        work(
            """
            import threading

            def f(item):
                threading.Thread(target=threading.Event().wait).start()
                return item
            """
        )
        assert "plain" in compare("work.py:f", "--items", "4").measured

    def test_tasks_that_never_end(self, compare, work):
        work(
            SURVIVES
            + """
import asyncio
kept = set()

async def g(item):
    kept.add(asyncio.ensure_future(asyncio.sleep(3600)))
    await asyncio.sleep(0.002)
    return item
"""
        )
        assert "coroutines" in compare("work.py:f,g").measured

    def test_an_exit_handler_that_never_ends(self, compare, work):
        work("import atexit, time\natexit.register(time.sleep, 3600)\n" + SURVIVES)
        assert set(FORMS) <= compare("work.py:f").measured

    def test_a_pool_of_its_own(self, compare, work):
        work(
            """
            import concurrent.futures

            pool = concurrent.futures.ThreadPoolExecutor(2)

            def f(item):
                return pool.submit(abs, item).result()
            """
        )
        assert {"plain", "threads"} <= compare("work.py:f").measured


class TestDisturbsItsProcess:
    @pytest.mark.parametrize(
        "source",
        [
            "import os\ndef f(item):\n    os.chdir('/')\n    return item",
            "import os\ndef f(item):\n    os.environ.clear()\n    return item",
            "import random\ndef f(item):\n    random.seed(1)\n    return random.random()",
            "import gc\ndef f(item):\n    gc.disable()\n    return item",
            "import sys\ndef f(item):\n    sys.path.clear()\n    return item",
            "import socket\nsocket.setdefaulttimeout(1e-9)\ndef f(item):\n    return item",
            "import sys\ndef f(item):\n    sys.setrecursionlimit(100)\n    return item",
            "import builtins\ndef f(item):\n    builtins.print = None\n    return item",
            "import signal\nsignal.alarm(0)\ndef f(item):\n    return signal.getsignal(2) and item",
        ],
    )
    def test_and_is_measured_all_the_same(self, compare, work, source):
        work(source)
        assert set(FORMS) <= compare("work.py:f").measured

    def test_closes_every_descriptor(self, compare, work):
        work("import os\ndef f(item):\n    os.closerange(3, 4096)\n    return item")
        answer = compare("work.py:f", "--timeout", "5")
        assert answer.report is not None
        assert answer.status in (0, 1)

    def test_uses_much_memory(self, compare, work):
        work("def f(item):\n    return len(bytearray(64_000_000))")
        answer = compare("work.py:f", "--concurrency", "1,2")
        assert answer.row("plain")["peak_rss_bytes"] > 64_000_000

    def test_has_a_main_part(self, compare, work):
        work(SURVIVES + "if __name__ == '__main__':\n    raise SystemExit('started')")
        assert set(FORMS) <= compare("work.py:f").measured

    def test_imports_its_neighbour(self, compare, work):
        work("value = 5", "neighbour.py")
        work("import neighbour\ndef f(item):\n    return neighbour.value + item")
        assert set(FORMS) <= compare("work.py:f").measured

    def test_is_called_like_no_module(self, compare, work, tmp_path):
        (tmp_path / "a folder").mkdir()
        work(SURVIVES, "a folder/my-work 2.py")
        assert set(FORMS) <= compare("a folder/my-work 2.py:f").measured

    def test_is_in_a_package(self, compare, work, tmp_path):
        (tmp_path / "package" / "inner").mkdir(parents=True)
        work("", "package/__init__.py")
        work("", "package/inner/__init__.py")
        work("value = 2", "package/inner/value.py")
        work("from .value import value\ndef f(item):\n    return value", "package/inner/work.py")
        assert set(FORMS) <= compare("package.inner.work:f").measured

    def test_defines_its_results(self, compare, work):
        """A class of the file is the same class on both sides of a pipe."""
        work(
            """
            import dataclasses

            @dataclasses.dataclass
            class Point:
                x: int

            def f(item):
                return Point(item)
            """
        )
        answer = compare("work.py:f")
        assert set(FORMS) <= answer.measured
        assert answer.statuses == {"ok"}
