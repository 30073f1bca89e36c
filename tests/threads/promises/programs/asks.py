"""The lines with which a program asks something of whoever plays it."""

INTERRUPT = "interrupt me"
"""Ctrl-C, once the main thread is parked."""
LET_GO = "let the job go"
"""The end of the job that `held` runs."""
