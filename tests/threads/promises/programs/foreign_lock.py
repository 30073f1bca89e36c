"""A job is submitted while another pool's submit is held up inside the module's global lock."""

import concurrent.futures.thread

from side import pool, say

with concurrent.futures.thread._global_shutdown_lock:
    say("a pool submits under the lock of all pools")
    future = pool(1).submit(int)
    say("submitted")
    future.result()
    say("the job ran")
