"""
Theorem 6.1: gradient starvation
================================

Left the confidence on a feature that all points have and on one that a tenth has, from two starts; right the
logit on the rare feature in shares of the theorem's bound. Look at the start with beta0 = .1, which the theorem
does not cover, and which goes above the bound; the others stay below it for ever.

Source: Thm 6.1, eq 7-8, App. D.1 (v2).
"""

from dynsim.paper import script, theorem_6_1
from dynsim.theory import starvation

# The share of the class that has the rare feature, in the left panel.
theorem_6_1.LAM = 0.1  # try 0.2

found = script.drawn(theorem_6_1)
figure = found.figure

# The confidence on either feature as data, from a start of your own.
print(starvation.solve(0.1, 0.02, 0.1, frequency=0.3, times=[0.0, 20.0, 40.0]).confidence.round(3))
