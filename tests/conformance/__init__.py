"""Runs the interpreter's own `test.test_asyncio` with nalsil's loop in place of the stock ones.

    python -m tests.conformance                      # from the root of the repository
    python -m tests.conformance --modules test_server,test_streams -k unix
    python -m tests.conformance --loop asyncio       # the baseline: everything has to pass

`scope.toml` says what is run, `exceptions.toml` which tests may fail and why. `tests/` runs the
same through `test_conformance.py`.

A module runs in a process of its own (`child.py`, where `stand_in.py` puts the loop in place
before the tests are imported). The parent (`supervise.py`) ends a test that hangs and starts
another process for the tests after it. What did not pass runs again on the stock loop
(`verdicts.py`): a test that fails there too says nothing about nalsil.
"""
