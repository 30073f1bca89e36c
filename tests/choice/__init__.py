"""The command `nalsil compare`, as its user meets it."""
