"""
Theorem 3.4: the separatrix between two classes
===============================================

Left where networks on the sheet alpha^2 + beta^2 - z^2 = 1 have their separatrix, above which class 1 wins; right
how far a step size moves it. Look at the filled marks on the left, the saddles into which it runs; and at the
straight lines on the right: gradient descent has a separatrix of its own, off by a known multiple of lr.

Source: Thm 3.4, eq 4, App. A.8 (v2).
"""

from dynsim.paper import script, theorem_3_4
from dynsim.theory import competition

# The setting in which the classes differ: the lengths of the two inputs, and the frequencies.
theorem_3_4.UNEQUAL = theorem_3_4.Setting((1.0, 2.0), (0.7, 0.3))  # try theorem_3_4.Setting((1.0, 1.5), (0.6, 0.4))

found = script.drawn(theorem_3_4)
figure = found.figure

# Who wins a unit of your own, from (alpha, beta, z).
print(competition.winner(0.5, 0.7, 0.1, norms=(1.0, 2.0), frequencies=(0.7, 0.3)))
