"""
Figure 2, right: how balanced and imbalanced units learn
========================================================

Left the projection y = w.x of a unit, right the confidence, from three starts: two balanced ones (c = 0) with
inputs of different length, and one with c = .1. Look at the plateau: the balanced units stay where they are for
long and then learn all at once, the imbalanced ones begin at once.

Source: Fig. 2 right, Thm 3.2, A.3 (v2).
"""

from dynsim.paper import figure_2, script

# Another number here counts for theory and networks alike: the logit from which the balanced units start.
figure_2.SMALL = 1e-3  # try 1e-2

found = script.drawn(figure_2)
figure = found.figure

# The lines as data, at times t = lr x step of your own: time, y, logit and confidence, a column a curve.
curves = figure_2.curves([0.0, 20.0, 40.0, 120.0])
print(curves.confidence.round(3))
