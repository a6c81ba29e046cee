"""
Figure 9: the hinge loss from imbalanced units
==============================================

Projection and margin of one unit a class under the hinge loss, for four pairs of c and ``|x|``. Look at the
corners: the margin is 1 at a time that a formula gives, and from then on nothing moves any more.

Source: Fig. 9, Thm 5.1, C.1 (v2).
"""

from dynsim.paper import figure_9, script

# theta0, the angle on the hyperbola at which the units start.
figure_9.ANGLE = 0.01  # try 0.1

found = script.drawn(figure_9)
figure = found.figure

# The lines as data; learnt are the times at which the margin is 1.
print(figure_9.curves().learnt.round(3))
