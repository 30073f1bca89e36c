"""Small programs that measure; each runs in a fresh process of the Python that has nalsil."""
