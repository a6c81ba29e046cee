"""
Figure 2, left: the plane of a unit that one class drives
=========================================================

Every start (z, y) of a unit solves the task, dies in finite time, or is frozen; the separatrix y = -``|x|`` z
divides them. White marks are networks. Look at the three starts with z = -1: on the right their logits, and on a
logarithmic axis the one that dies ends while the one on the separatrix creeps on without end.

Source: Fig. 2 left, Section 3.3, A.6 (v2).
"""

import numpy as np

from dynsim.paper import figure_2_left, script

# Rows (y, z): one that solves, one that dies, one on the separatrix y = .7 |z|.
figure_2_left.STARTS = np.array([[0.9, -1.0], [0.5, -1.0], [0.7, -1.0]])  # try figure_2_left.STARTS / 2

found = script.drawn(figure_2_left)
figure = found.figure

# The lines as data: y, z, logit and confidence of the three starts, and when they die.
print(figure_2_left.curves([0.0, 20.0]).death)
