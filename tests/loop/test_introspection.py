"""What asyncio's own tools see of a program, since Python 3.14."""

import asyncio
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="asyncio has these tools since Python 3.14"
)


async def test_a_call_graph_names_who_waits_for_whom():
    async def inner():
        return asyncio.format_call_graph()

    async def outer():
        return await asyncio.create_task(inner(), name="the inner task")

    graph = await asyncio.create_task(outer(), name="the outer task")
    assert "the inner task" in graph
    assert "the outer task" in graph
    assert graph.index("the inner task") < graph.index("Awaited by")
    assert graph.index("Awaited by") < graph.index("the outer task")


@pytest.fixture
def waiting_program(start_program):
    """The number of a program whose tasks wait for one another, and for us."""
    program = start_program(
        """
        import asyncio, sys

        async def leaf():
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
            print("ready")
            await reader.read()

        async def middle():
            async with asyncio.TaskGroup() as group:
                group.create_task(leaf(), name="the leaf")

        async def main():
            await asyncio.create_task(middle(), name="the middle")

        loop = new_event_loop()
        loop.run_until_complete(main())
        """
    )
    assert program.stdout.readline() == "ready\n"
    return str(program.pid)


@pytest.mark.parametrize("tool", ["ps", "pstree"])
def test_the_tools_show_the_tasks_of_a_program(waiting_program, tool):
    command = [sys.executable, "-m", "asyncio", tool, waiting_program]
    shown = subprocess.run(command, capture_output=True, text=True)
    if "permitted" in shown.stderr or "PermissionError" in shown.stderr:
        pytest.skip("this system does not let a process look at another one's memory")
    assert shown.returncode == 0, shown.stderr
    assert "the leaf" in shown.stdout
    assert "the middle" in shown.stdout
    assert "TaskGroup" in shown.stdout
