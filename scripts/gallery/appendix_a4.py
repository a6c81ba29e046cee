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

found = script.drawn(appendix_a4)
figure = found.figure

# The same for a width and a start of your own.
other = setting.experiment(hidden=32, lr=0.05, until=40.0, imbalance=0.3, initial=1e-2)
mine = comparison_figure(setting.judged(other), "32 units, C = .3")
