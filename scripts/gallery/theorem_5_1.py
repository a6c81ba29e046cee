"""
Theorem 5.1: hinge loss, in closed form
=======================================

The margins of two classes under the hinge loss: lines are the closed form, marks a network. Look at the corners:
the margin grows exponentially and stops at 1, at a time that the theorem gives.

Source: Thm 5.1, eq 6, C.1 (v2).
"""

from dynsim.paper import script, setting, theorem_5_1
from dynsim.plotting import comparison_figure

# The imbalance C of both classes at the start, a panel each.
theorem_5_1.IMBALANCES = (0.0, 0.1)  # try (0.0, 0.5)

found = script.drawn(theorem_5_1)
figure = found.figure

# The same for a network of your own, and when theory has each class learnt.
other = setting.experiment(hidden=8, lr=0.02, until=6.0, loss="hinge", initial=1e-3, imbalance=0.5)
mine = comparison_figure(setting.judged(other), "hinge, C = .5")
print(other.theory.time_to(1.0))
