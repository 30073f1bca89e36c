"""`shutdown()` with a limit, while a job runs that does not end."""

import threading

from side import held, let_go, pool, say

executor = pool(1)
runs = threading.Event()
executor.submit(held, runs.set)
runs.wait()
try:
    executor.shutdown(timeout=0.01)
except TimeoutError as error:
    say("TimeoutError", "naming the job" if "held" in str(error) else error)
except TypeError:
    say("shutdown() takes no timeout")
let_go()
