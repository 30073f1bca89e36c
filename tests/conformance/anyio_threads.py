"""Makes the threads and the portals of anyio's asyncio backend nalsil's.

anyio keeps what is anyio's own: cancel scopes, limiters, tokens and task groups. What carries a
function to a thread and a coroutine back is replaced: `to_thread.run_sync` goes through
`nalsil.to_thread`, `from_thread` through `nalsil.from_thread`, `check_cancelled` through
`nalsil.check_cancelled`, and the loop of `start_blocking_portal` is that of a `nalsil.Portal`.
Threads that anyio did not start say which loop they mean; they keep anyio's own way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from .made import Made


class Worker(threading.local):
    """Which loop the job of the running thread was started from, if it is a job."""

    loop: asyncio.AbstractEventLoop | None = None


worker = Worker()


def put_in_place(made: Made) -> None:
    """Replace what is said above; jobs and portals count as pools in `made`."""
    from anyio import from_thread
    from anyio._backends import _asyncio as backend

    threads = Threads(made, backend)
    chosen = backend.AsyncIOBackend
    chosen.run_sync_in_worker_thread = staticmethod(threads.run_sync_in_worker_thread)
    chosen.run_sync_from_thread = staticmethod(threads.run_sync_from_thread)
    chosen.check_cancelled = staticmethod(check_cancelled)
    backend.asyncio = with_own(asyncio, run_coroutine_threadsafe=run_coroutine_threadsafe)
    from_thread.run_eventloop = Portals(made, from_thread.run_eventloop).run


def with_own(module: ModuleType, **parts: Any) -> ModuleType:
    """A module that is `module` but for some parts, for one importer of it."""
    copy = ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__, **parts)
    return copy


class Threads:
    """The ways to a thread and back, for anyio's backend."""

    def __init__(self, made: Made, backend: ModuleType) -> None:
        self.made = made
        self.chosen = backend.AsyncIOBackend
        self.states = backend._task_states
        self.stock_run_sync = self.chosen.run_sync_from_thread

    async def run_sync_in_worker_thread(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        abandon_on_cancel: bool = False,
        limiter: Any = None,
    ) -> Any:
        from anyio._core._eventloop import claim_worker_thread, threadlocals

        import nalsil

        await self.chosen.checkpoint()
        loop = asyncio.get_running_loop()
        state = self.states.get(asyncio.current_task())
        scope = state.cancel_scope if state else None

        def job() -> Any:
            with claim_worker_thread(self.chosen, loop):
                threadlocals.current_cancel_scope = scope
                worker.loop = loop
                try:
                    return function(*arguments)
                finally:
                    worker.loop = None
                    del threadlocals.current_cancel_scope

        self.made.add("pools")
        return await nalsil.to_thread(
            job,
            abandon_on_cancel=abandon_on_cancel,
            limiter=limiter or self.chosen.current_default_thread_limiter(),
        )

    def run_sync_from_thread(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        token: Any,
    ) -> Any:
        import nalsil

        if worker.loop is None or token not in (None, worker.loop):
            return self.stock_run_sync(function, arguments, token)
        return nalsil.from_thread.run_sync(function, *arguments)


def check_cancelled() -> None:
    import nalsil

    nalsil.check_cancelled()


def run_coroutine_threadsafe(
    coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop
) -> Future[Any]:
    """A future that is done: from a job, the coroutine has run on the job's own loop."""
    import nalsil

    if worker.loop is not loop:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    ended: Future[Any] = Future()
    try:
        ended.set_result(nalsil.from_thread.run(lambda: coroutine))
    except BaseException as error:
        ended.set_exception(error)
    return ended


class Portals:
    """Runs the main coroutine of a blocking portal on the loop of a `nalsil.Portal`."""

    def __init__(self, made: Made, stock: Callable[..., Any]) -> None:
        self.made = made
        self.stock = stock

    def run(
        self,
        function: Callable[[], Coroutine[Any, Any, Any]],
        *,
        backend: str,
        backend_options: dict[str, Any] | None,
    ) -> Any:
        import nalsil

        options = backend_options or {}
        if backend != "asyncio" or not options.keys() <= {"debug"}:
            return self.stock(function, backend=backend, backend_options=backend_options)
        self.made.add("pools")
        name = threading.current_thread().name
        with nalsil.Portal(debug=options.get("debug"), name=name) as portal:
            return portal.call(function)
