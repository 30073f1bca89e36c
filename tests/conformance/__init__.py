"""Runs the tests of others with nalsil's loop and thread pool in place of the stock ones.

    python -m tests.conformance                      # from the root of the repository
    python -m tests.conformance --suite concurrent_futures,anyio
    python -m tests.conformance --modules test_server,test_streams -k unix
    python -m tests.conformance --loop asyncio       # the baseline: everything has to pass

There are four suites: the interpreter's own `asyncio` and `concurrent_futures` tests, and the tests
of the libraries `anyio` and `asgiref` that are about threads, from their source archives
(`third_party.txt`). `scope.toml` says what of them is run, `exceptions.toml` which tests may fail
and why. `tests/` runs the same through `test_conformance.py`.

A module runs in a process of its own (`child.py`): `stand_in.py` and `stand_in_pool.py` put the
loop and the pool in place before the tests are imported, and count what is made of them. The
parent (`supervise.py`) ends a test that hangs and starts another process for the tests after it.
What did not pass runs again on the stock loop and pool (`verdicts.py`): a test that fails there too
says nothing about nalsil.
"""
