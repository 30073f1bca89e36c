"""NumPy: linear algebra in C and Fortran, with the GIL released.

nalsil compare examples/work/arrays.py:solve --items 200

NumPy lets other threads run while it works on large arrays: `pip install numpy`. One would guess
that threads win by as much as there are processors.
"""

import os

# The linear algebra under NumPy starts threads of its own, one for each processor, and they would
# compete with those of the form that is measured. It reads this when it is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy

SIZE = 300


def solve(item: int) -> float:
    """Solve a system of 300 equations made from `item`; gives the sum of the solution."""
    numbers = numpy.random.default_rng(item)
    equations = numbers.standard_normal((SIZE, SIZE)) + SIZE * numpy.eye(SIZE)
    solution = numpy.linalg.solve(equations, numbers.standard_normal((SIZE, SIZE)))
    return round(float(solution.sum()), 9)
