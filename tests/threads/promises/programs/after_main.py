"""A thread goes on after the end of the main thread, and submits a job then."""

import concurrent.futures.thread
import threading
import time

from side import pool, say


def submit_after_main():
    # Python sets it when the main thread has ended and only other threads are left.
    while not concurrent.futures.thread._shutdown:
        time.sleep(0.001)
    try:
        say("the job gives", executor.submit(sum, [1, 2]).result())
    except RuntimeError:
        say("the job is refused")


executor = pool(1)
# Python 3.12 starts no thread any more when the main thread has ended, for whomever.
executor.submit(int).result()
threading.Thread(target=submit_after_main).start()
say("the main thread ends")
