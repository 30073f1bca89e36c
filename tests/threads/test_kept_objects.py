"""What a pool or a closed loop might keep for good, though nobody else needs it any more."""

import asyncio
import gc
import socket
import weakref

import pytest

from .waiting import wait_until


def collected(*references):
    """Wait until they are: a worker may still be leaving its job."""

    def are_gone():
        gc.collect()
        return not any(reference() for reference in references)

    wait_until(are_gone)


class Numbers(list):
    """A list that a weak reference can point at."""


def test_the_object_of_a_builtin_method_is_let_go(new_pool):
    numbers = Numbers([3, 1, 2])
    reference = weakref.ref(numbers)
    pool = new_pool(1)
    pool.submit(numbers.sort).result()
    assert numbers == [1, 2, 3]
    del numbers
    collected(reference)


def test_a_socket_is_closed_though_its_method_was_a_job(each_loop, new_pool):
    pool = new_pool(1)
    sender, receiver = socket.socketpair()
    reference = weakref.ref(receiver)

    async def receive(receiver):
        return await each_loop.run_in_executor(pool, receiver.recv, 1)

    with sender:
        sender.send(b"x")
        assert each_loop.run_until_complete(receive(receiver)) == b"x"
        receiver.close()
        del receiver
        collected(reference)


def test_a_pool_is_let_go_though_its_own_method_was_a_job(pool_type):
    pool = pool_type(2)
    assert pool.submit(pool.submit, int).result().result() == 0
    threads, reference = list(pool._threads), weakref.ref(pool)
    del pool
    collected(reference)
    for thread in threads:
        thread.join()


class Thing:
    """Something a weak reference can point at."""


@pytest.mark.nalsil_pool("the loop is nalsil's")
@pytest.mark.logs_errors  # the task is destroyed while it is pending
@pytest.mark.parametrize("of", ["nalsil", "asyncio"])
def test_a_closed_loop_is_let_go_with_those_who_await_jobs(module, gate, of):
    to_thread = module.to_thread if of == "nalsil" else asyncio.to_thread
    loop = module.new_event_loop()
    references = [weakref.ref(loop)]

    async def wait():
        thing = Thing()
        references.append(weakref.ref(thing))
        await to_thread(gate.job)

    async def until_begun():
        while not gate.has_begun():
            await asyncio.sleep(0.001)

    task = loop.create_task(wait())
    loop.run_until_complete(until_begun())
    loop.close()
    del loop, task
    gate.open()
    assert len(references) == 2
    collected(*references)
