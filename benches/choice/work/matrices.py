"""numpy: a product that is computed in C, and small operations that Python strings together."""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy

MATRIX = numpy.random.default_rng(1).random((300, 300))
SMALL = MATRIX[:4, :4]


def product(item):
    return float((MATRIX @ MATRIX)[0, 0])


def small_steps(item):
    total = SMALL
    for _ in range(2000):
        total = (total + SMALL) * 0.5
    return float(total[0, 0])
