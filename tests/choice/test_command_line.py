"""What the command prints and writes, and its exit status."""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .command import COLUMNS, SHORT, standard_json, widest
from .schema import check_report
from .waiting import wait_until

PAIR = """
import asyncio, time

def fetch(item):
    time.sleep(0.01)
    return item * 2

async def afetch(item):
    await asyncio.sleep(0.01)
    return item * 2
"""
TINY = "def f(item):\n    return item"
ESCAPE = "\x1b"


class TestStatus:
    def test_help(self):
        answer = subprocess.run(
            [sys.executable, "-m", "nalsil", "compare", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        for option in (
            "--items",
            "--concurrency",
            "--rounds",
            "--budget",
            "--timeout",
            "--executor",
            "--stock",
            "--json",
            "--markdown",
            "--html",
            "--require",
            "--no-color",
        ):
            assert option in answer.stdout
        assert answer.stderr == ""
        assert widest(answer.stdout) <= COLUMNS

    def test_the_command_is_in_the_help_of_the_program(self):
        answer = subprocess.run(
            [sys.executable, "-m", "nalsil", "--help"], capture_output=True, text=True, check=True
        )
        assert "compare" in answer.stdout

    def test_without_a_target(self):
        answer = subprocess.run(
            [sys.executable, "-m", "nalsil", "compare"], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 2
        assert "Traceback" not in answer.stderr

    def test_the_installed_script_is_the_same(self, command, work):
        work(TINY)
        script = str(Path(sys.executable).with_name("nalsil"))
        answer = subprocess.run(
            [script, "compare", "work.py:f", *SHORT],
            cwd=command.folder,
            env=command.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert "plain" in answer.stdout

    def test_a_verdict_that_is_required(self, compare, work):
        work(TINY)
        answer = compare("work.py:f", "--require", "plain")
        assert answer.verdict["form"] == "plain"
        assert answer.status == 0

    def test_a_verdict_other_than_the_required_one(self, compare, work):
        work(TINY)
        answer = compare("work.py:f", "--require", "processes")
        assert answer.status == 3
        assert "plain" in answer.text
        assert answer.report is not None

    def test_a_required_form_among_a_tie_is_not_the_verdict(self, compare, work):
        """`--require` is about the verdict, so that the same run always answers the same."""
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--require", "threads")
        assert answer.status == (0 if answer.verdict["form"] == "threads" else 3)

    def test_no_form_could_be_measured_although_one_is_required(self, compare, work):
        work("def f(item):\n    raise LookupError")
        assert compare("work.py:f", "--require", "plain").status in (1, 3)


class TestTable:
    @pytest.fixture
    def answer(self, compare, work):
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--stock")
        assert answer.status == 0, answer.complaint
        return answer

    def test_has_a_line_for_every_form_and_the_verdict(self, answer):
        for form in ("plain", "threads", "processes", "coroutines", "asyncio", "stock threads"):
            assert re.search(rf"^\W*{form}\b", answer.text, re.MULTILINE), form
        assert re.search(rf"verdict\W+{answer.verdict['form']}", answer.text, re.IGNORECASE)

    def test_fits_and_has_no_colour_in_a_pipe(self, answer):
        assert widest(answer.text) <= COLUMNS
        assert ESCAPE not in answer.text + answer.complaint

    def test_has_no_progress_in_a_pipe(self, answer):
        assert "\r" not in answer.text + answer.complaint
        assert answer.complaint == ""

    def test_says_what_the_json_says(self, answer):
        check_report(answer.report)
        for reason in answer.verdict["because"]:
            assert squeezed(reason) in squeezed(answer.text)

    def test_states_the_cost_of_the_sampler(self, answer):
        cost = answer.report["sampler"]["cost_share"]
        assert cost is not None
        assert 0 <= cost < 0.1
        assert "sampl" in answer.text


def squeezed(text):
    """The letters and digits alone: lines are broken where they have to be."""
    return re.sub(r"[^a-z0-9.]", "", text.lower())


class TestLongNames:
    def test_fit(self, compare, work):
        name = "a_function_with_a_name_that_nobody_would_want_to_type_twice_" * 2
        work(f"def {name}(item):\n    return item", "a_file_with_a_long_name_" * 3 + ".py")
        answer = compare("a_file_with_a_long_name_" * 3 + f".py:{name}")
        assert answer.status == 0, answer.complaint
        assert widest(answer.text) <= COLUMNS

    def test_outside_of_ascii(self, compare, work):
        work("def 날실(item):\n    return item", "실.py")
        answer = compare("실.py:날실")
        assert answer.status == 0, answer.complaint
        assert "날실" in answer.text
        assert answer.report["work"]["target"] == "실.py:날실"

    def test_outside_of_ascii_in_a_locale_of_ascii(self, compare, work):
        work("def 날실(item):\n    return item", "실.py")
        variables = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        answer = compare("실.py:날실", variables=variables)
        assert "Traceback" not in answer.complaint
        assert answer.status == 0


class TestJson:
    def test_of_two_functions(self, compare, work):
        work(PAIR)
        report = compare("work.py:fetch,afetch").report
        check_report(report)
        assert report["work"]["functions"] == [
            {"name": "fetch", "async": False},
            {"name": "afetch", "async": True},
        ]
        assert report["work"]["target"] == "work.py:fetch,afetch"
        assert report["work"]["items"] == 8
        assert report["work"]["takes_item"] is True
        assert report["work"]["rounds"] == 3
        assert report["work"]["interrupted"] is False
        assert report["python"]["version"].startswith("{}.{}.{}".format(*sys.version_info))
        assert report["machine"]["cpus"] >= 1
        assert {row["form"] for row in report["forms"]} >= {
            "plain",
            "threads",
            "processes",
            "coroutines",
        }

    def test_of_every_concurrency_that_was_asked_for(self, compare, work):
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--concurrency", "1,2,4")
        check_report(answer.report)
        for form in ("threads", "coroutines"):
            assert [row["concurrency"] for row in answer.rows(form)] == [1, 2, 4]
        assert [row["concurrency"] for row in answer.rows("plain")] == [1]

    def test_of_a_function_without_an_item(self, compare, work):
        work("def f():\n    return 5")
        report = compare("work.py:f").report
        check_report(report)
        assert report["work"]["takes_item"] is False

    @pytest.mark.parametrize(
        "items",
        [
            "things = ['a', 'b', 'c', 'd']",
            "def things():\n    return ['a', 'b', 'c', 'd']",
            "def things():\n    yield from 'abcd'",
            "things = (letter for letter in 'abcd')",
            "things = 'abcd'",
            "things = {'a': 1, 'b': 2, 'c': 3, 'd': 4}",
        ],
    )
    def test_of_items_of_the_file(self, compare, work, items):
        work(f"{items}\ndef f(item):\n    return item.upper()")
        report = compare("work.py:f", "--items", "things").report
        check_report(report)
        assert report["work"]["items"] == 4
        assert report["work"]["items_source"] == "things"

    def test_of_an_async_function_alone(self, compare, work):
        work(PAIR)
        answer = compare("work.py:afetch")
        check_report(answer.report)
        assert answer.measured == {"coroutines"}
        assert answer.verdict["form"] == "coroutines"

    def test_of_a_module_by_its_name(self, compare, work):
        work("def f(item):\n    return item", "things.py")
        answer = compare("things:f")
        check_report(answer.report)
        assert answer.measured >= {"plain", "threads", "processes"}

    def test_of_one_item(self, compare, work):
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--items", "1")
        check_report(answer.report)
        assert answer.verdict["form"] == "plain"

    @pytest.mark.skipif(sys.version_info < (3, 14), reason="sub-interpreters since 3.14")
    def test_has_sub_interpreters(self, compare, work):
        work(TINY)
        assert "interpreters" in compare("work.py:f").measured

    @pytest.mark.skipif(sys.version_info >= (3, 14), reason="sub-interpreters since 3.14")
    def test_says_why_there_are_no_sub_interpreters(self, compare, work):
        work(TINY)
        row = compare("work.py:f").row("interpreters")
        assert row["status"] == "skipped"
        assert "3.14" in row["note"]

    def test_keeps_within_its_budget(self, compare, work):
        """The start of the forms is no part of it, but bounded."""
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--budget", "6", "--rounds", "5")
        check_report(answer.report)
        assert answer.report["work"]["took_s"] <= 1.25 * 6 + 3
        assert answer.seconds <= 1.25 * 6 + 10

    def test_is_the_same_on_standard_output(self, compare, work):
        """`-` is the usual name of standard output."""
        work(TINY)
        answer = compare("work.py:f", "--json", "-", json_file=None)
        if answer.status == 2:
            assert "hint:" in answer.complaint
        else:
            check_report(standard_json(answer.text))


class TestMarkdown:
    @pytest.fixture
    def page(self, compare, work, tmp_path):
        work(PAIR)
        answer = compare("work.py:fetch,afetch", "--markdown", "report.md")
        assert answer.status == 0, answer.complaint
        return answer, (tmp_path / "report.md").read_text()

    def test_is_a_table(self, page):
        answer, text = page
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
        assert re.fullmatch(r"[|\s:-]+", lines[1])
        for form in answer.measured:
            assert any(form in line for line in lines)

    def test_has_the_verdict(self, page):
        answer, text = page
        assert answer.verdict["form"] in text.partition("erdict")[2]

    def test_has_no_terminal_in_it(self, page):
        assert ESCAPE not in page[1]
        assert page[1].endswith("\n")

    def test_of_a_message_with_bars(self, compare, work, tmp_path):
        work("def f(item):\n    raise LookupError('a|b\\n| c | d |')")
        compare("work.py:f", "--markdown", "report.md")
        lines = [
            line for line in (tmp_path / "report.md").read_text().splitlines() if line[:1] == "|"
        ]
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


class Terminal:
    """The command on a terminal of its own, as a shell starts it."""

    def __init__(self, command, *line, **variables):
        self.text = ""
        self.master, slave = pty.openpty()
        environment = command.environment(**{"TERM": "xterm-256color", **variables})
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *command.line(*line)],
            cwd=command.folder,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def read(self):
        """Read what there is; False when all is closed."""
        if not select.select([self.master], [], [], 0.01)[0]:
            return True
        with contextlib.suppress(OSError):
            if data := os.read(self.master, 65536):
                self.text += data.decode(errors="replace")
                return True
        return False

    def press(self, key):
        os.write(self.master, key)

    def wait(self):
        """Read all until its end; gives the status."""
        while self.read():
            pass
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the controlling one, so that Ctrl-C reaches the process group."""


class TestTerminal:
    def test_shows_progress_and_colour(self, command, work):
        work(PAIR)
        with Terminal(command, "work.py:fetch,afetch", *SHORT) as terminal:
            assert terminal.wait() == 0, terminal.text
        assert ESCAPE in terminal.text
        before_table = terminal.text.split("erdict")[0].split("ERDICT")[0]
        assert "\r" in before_table.replace("\r\n", "")
        assert "left" in before_table
        assert "threads" in before_table

    @pytest.mark.parametrize(
        ("options", "variables"),
        [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
    )
    def test_without_colour(self, command, work, options, variables):
        work(PAIR)
        with Terminal(command, "work.py:fetch", *SHORT, *options, **variables) as terminal:
            assert terminal.wait() == 0, terminal.text
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.text)

    def test_an_empty_no_color_is_none(self, command, work):
        """https://no-color.org: present and not an empty string."""
        work(PAIR)
        with Terminal(command, "work.py:fetch", *SHORT, NO_COLOR="") as terminal:
            assert terminal.wait() == 0, terminal.text
        assert re.search(r"\x1b\[[0-9;]*m", terminal.text)

    def test_ctrl_c_is_pressed(self, command, work):
        """It reaches every process of the terminal's group, the children too."""
        work(COUNTED)
        line = ("work.py:f", "--items", "8", "--concurrency", "2", "--budget", "300")
        with Terminal(command, *line, "--rounds", "100", "--json", "report.json") as terminal:
            while turns(command.folder) < TURNS:
                assert terminal.read(), terminal.text
            terminal.press(b"\x03")
            status = terminal.wait()
        assert "Traceback" not in terminal.text
        assert re.search(r"^\W*plain\b.* ms", terminal.text, re.MULTILINE), terminal.text
        after_interrupt(command, status)


COUNTED = """
import os, time

def f(item):
    with open("calls", "a") as calls:
        calls.write(f"{os.getpid()}\\n")
    time.sleep(0.005)
    return item
"""
TURNS = 12
"""How often another process has to have taken its turn: by then every form was measured."""


def turns(folder):
    """How often the calls changed from one process to another."""
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return sum(one != other for one, other in itertools.pairwise(lines))


def after_interrupt(command, status):
    """What was measured is there, and says that it is not all."""
    report = command.report()
    assert report is not None
    check_report(report)
    assert report["work"]["interrupted"] is True
    assert any(row["measured"] for row in report["forms"])
    assert status in (0, 130)


class TestInterrupt:
    LINE = ("--items", "8", "--concurrency", "2", "--rounds", "100", "--budget", "300")

    @pytest.mark.parametrize("whole_group", [False, True])
    def test_prints_what_was_measured(self, command, work, whole_group):
        work(COUNTED)
        options = (*self.LINE, "--json", "report.json")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with command.started("work.py:f", *options, **pipes) as process:
            wait_until(lambda: turns(command.folder) >= TURNS or process.poll() is not None)
            (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
            text, complaint = process.communicate()
        assert "Traceback" not in complaint
        assert re.search(r"^\W*plain\b", text, re.MULTILINE), text + complaint
        after_interrupt(command, process.returncode)

    def test_before_anything_was_measured(self, command, work):
        work(
            "from pathlib import Path\nPath('begun').touch()\n"
            "import time\ntime.sleep(3600)\ndef f(item):\n    return item"
        )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with command.started("work.py:f", **pipes) as process:
            wait_until((command.folder / "begun").exists)
            process.send_signal(signal.SIGINT)
            _text, complaint = process.communicate()
        assert "Traceback" not in complaint
        assert process.returncode not in (0, 2, 3)

    def test_in_work_that_hangs(self, command, work):
        work(
            "from pathlib import Path\nimport time\n"
            "def f(item):\n    Path('begun').touch()\n    time.sleep(3600)"
        )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with command.started("work.py:f", "--timeout", "300", **pipes) as process:
            wait_until((command.folder / "begun").exists)
            process.send_signal(signal.SIGINT)
            process.communicate()
        assert process.returncode not in (2, 3)

    def test_killed_leaves_nothing(self, command, work):
        """The children notice that the command is gone; the fixture looks for them."""
        work(COUNTED)
        with command.started("work.py:f", *self.LINE, stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: turns(command.folder) >= 1 or process.poll() is not None)
            process.kill()

    def test_ended_leaves_nothing(self, command, work):
        work(COUNTED)
        with command.started("work.py:f", *self.LINE, stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: turns(command.folder) >= 1 or process.poll() is not None)
            process.terminate()
            process.wait()


class TestClosedOutput:
    def test_a_pipe_that_nobody_reads(self, command, work):
        """As `nalsil compare … | head -1` does it."""
        work(TINY)
        read, write = os.pipe()
        os.close(read)
        with command.started("work.py:f", stdout=write, stderr=subprocess.PIPE) as process:
            os.close(write)
            complaint = process.communicate()[1]
        assert "Traceback" not in complaint

    def test_a_full_disk(self, command, work):
        work(TINY)
        with (
            open("/dev/full", "w") as full,
            command.started("work.py:f", stdout=full, stderr=subprocess.PIPE) as process,
        ):
            complaint = process.communicate()[1]
        assert "Traceback" not in complaint
        assert process.returncode != 0
