"""
Table 1: how confident one may be on a rare feature
===================================================

The bound on the confidence on a feature that a share lam of a class has, when one that all have is learnt to .99
or .9999; filled marks are the percentages that the paper prints, hollow ones networks that start where the
theorem ends. Look at the left end: at lam = .01 a network that is all but certain of one feature knows next to
nothing of the other.

Source: Table 1, Thm 6.1 (v2).
"""

from dynsim.paper import script, table_1
from dynsim.theory import starvation

# alpha and z of the networks at the start; beta is lam alpha.
table_1.START = 0.1  # try 0.2

found = script.drawn(table_1)
figure = found.figure

# The bound for confidences and frequencies of your own.
print(starvation.bound([0.9, 0.99, 0.999], 0.2).round(3))
