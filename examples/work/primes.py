"""Counting primes in pure Python: the GIL is held from beginning to end.

nalsil compare examples/work/primes.py:count --items 200

One thread at a time runs Python code. One would guess that threads gain nothing, that coroutines
would gain nothing either, and that processes win by as much as there are processors.
"""

WIDTH = 1000


def is_prime(number: int) -> bool:
    """Try every odd divisor up to the square root."""
    if number < 4 or number % 2 == 0:
        return number in (2, 3)
    divisor = 3
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 2
    return True


def count(item: int) -> int:
    """How many primes there are among the thousand numbers from a million and 1000 * `item` on."""
    first = 1_000_000 + WIDTH * item
    return sum(is_prime(number) for number in range(first, first + WIDTH))
