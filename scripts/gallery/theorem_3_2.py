"""
Theorem 3.2: the logit in closed form
=====================================

The confidence of two classes of different norm and frequency under cross-entropy: lines are the closed form,
marks a network trained by gradient descent. Look at the panel beneath: what the two differ by is what the step
size does, the floor, all but exactly.

Source: Thm 3.2, eq 2-3 (v2).
"""

from dynsim.paper import script, setting, theorem_3_2
from dynsim.plotting import comparison_figure

found = script.drawn(theorem_3_2)
figure = found.figure

# The same for a network of your own.
other = setting.experiment(hidden=8, lr=0.05, until=30.0, norms=(1.0, 1.0), frequencies=(0.9, 0.1), initial=1e-2)
report = setting.judged(other)
mine = comparison_figure(report, "p = .9 and .1")
print(report)
