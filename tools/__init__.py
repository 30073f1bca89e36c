"""What `make run`, `make test` and `make guide` do, on any Python from 3.11 on.

Only the standard library, but for the probes of the guide, which measure nalsil.
"""
