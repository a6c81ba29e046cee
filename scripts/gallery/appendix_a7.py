"""
A.7: a class of orthogonal points
=================================

The confidence on a class of two and on one of five mutually orthogonal points, all of the same length. Look at
the two curves: m points pull together like one point that is sqrt(m) times as long.

Source: A.7 (v2).
"""

from dynsim.paper import appendix_a7, script

# The logit from which both classes start.
appendix_a7.INITIAL = 1e-3  # try 1e-2

found = script.drawn(appendix_a7)
figure = found.figure

# The lines as data, for an imbalance of your own.
print(appendix_a7.curves([5.0, 10.0, 30.0], imbalance=0.5).logit.round(3))
