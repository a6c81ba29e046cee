"""
A.4: any number of units act as one
===================================

The confidence of two classes in networks of 4, 16 and 128 units, from balanced, mixed and lazy starts; lines are
the closed form of a single mode. Look at what makes the panels differ: the imbalance C of the start, and not how
many units there are.

Source: A.4 (v2); any start through S and D: docs/theory.md, section 3.
"""

from dynsim.paper import appendix_a4, script, setting
from dynsim.plotting import comparison_figure

# The number of units, and the imbalance C of both classes at the start.
appendix_a4.WIDTHS = {4: 0.0, 16: 0.05, 128: 1.0}  # try {4: 0.0, 32: 0.5}

found = script.drawn(appendix_a4)
figure = found.figure

# The same for a width and a start of your own.
other = setting.experiment(hidden=32, lr=0.05, until=40.0, imbalance=0.3, initial=1e-2)
mine = comparison_figure(setting.judged(other), "32 units, C = .3")
