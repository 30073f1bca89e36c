"""The program ends while a job runs that does not end."""

import threading

from side import VARIANT, held, pool, say


def busy(begun):
    say("a busy job runs")
    begun()
    while True:
        pass


runs = threading.Event()
pool(1, exit_timeout=0.5).submit({"held": held, "busy": busy}[VARIANT], runs.set)
runs.wait()
say("the program ends")
