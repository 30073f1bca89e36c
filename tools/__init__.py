"""What `make run` and `make test` do. Only the standard library, on any Python from 3.11 on."""
