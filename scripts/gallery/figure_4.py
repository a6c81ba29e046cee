"""
Figures 4 and 8: depth sharpens the transition
==============================================

Logit and confidence of one input through N = 4 and N = 8 layers, all from the logit .1. Look at the two curves
with ``|x|`` = .1: with four layers the network is far from done at the end, with eight it overtakes even the one
whose input is five times as long. Depth makes a small norm matter less.

Source: Fig. 4 and 8, eq 5, App. B (v2).
"""

from dynsim.paper import figure_4, script

# The logit from which all curves start.
figure_4.INITIAL = 0.1  # try 0.05

found = script.drawn(figure_4)
figure = found.figure

# The lines as data: time, logit and confidence, a column a curve.
print(figure_4.curves([0.0, 5.0, 10.0]).confidence.round(3))
