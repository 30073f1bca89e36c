"""The installed package as a program meets it first."""
