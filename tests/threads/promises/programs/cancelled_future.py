"""The future of a running job is cancelled."""

import concurrent.futures
import threading

from side import held_and_looking, pool, say

runs = threading.Event()
with pool(1) as executor:
    future = executor.submit(held_and_looking, runs.set)
    runs.wait()
    say("cancel() gives", future.cancel())
    concurrent.futures.wait([future])
