"""
Lemma 3.1: classes are learnt independently
===========================================

The margins of two classes under random batches that are all of one class for a while, then all of the other, at
three step sizes. Look at the steps of the stairs: while one class learns, the other does not move by a single
bit, however large the steps are.

Source: Lemma 3.1, A.1 (v2).
"""

from dynsim import init
from dynsim.data import gaussian_classes
from dynsim.paper import lemma_3_1, script

# The standard deviation of the points of a class; the means of the classes are 2 apart.
lemma_3_1.SPREAD = 0.05  # try 0.1

found = script.drawn(lemma_3_1)
figure = found.figure

# Why that is so: what the lemma assumes, asked of data and a start of your own.
data = gaussian_classes(30, dimension=5, separation=2.0, spread=0.05, rng=1)
network = init.class_aligned(data, 20, initial=1e-2, rng=3)
print(*data.check_assumptions(network), sep="\n")
