"""Jobs of two priorities are queued behind a held job of the only worker."""

import threading

from side import NALSIL, held, let_go, pool, say


def submit(priority, *job):
    if NALSIL:
        executor.options(priority=priority).submit(*job)
    else:
        executor.submit(*job)


runs = threading.Event()
ran = []
with pool(1) as executor:
    executor.submit(held, runs.set)
    runs.wait()
    for name, priority in [("low 1", 0), ("high 1", 5), ("low 2", 0), ("high 2", 5)]:
        submit(priority, ran.append, name)
    let_go()
say(", ".join(ran))
