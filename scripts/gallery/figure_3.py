"""
Figure 3: two classes compete for one unit
==========================================

A unit that two orthogonal inputs activate moves on a sheet alpha^2 + beta^2 - z^2 = c until one class has won it.
Left the sheet with the separatrix, which runs into a saddle; right alpha and beta and the confidences from three
starts. Look at where the loser's curve ends: it dies in finite time, at the thin line.

Source: Fig. 3, eq 4 (v2).
"""

import numpy as np

from dynsim.paper import figure_3, script

# Rows (alpha, beta, z).
figure_3.STARTS = np.array([[0.1, 0.1, 0.1], [0.2, 0.9, 0.2], [1.0, 0.0, -1.1]])  # try 1.5 * figure_3.STARTS

found = script.drawn(figure_3)
figure = found.figure

# The lines as data: alpha, beta, z and confidence of the three starts, and when alpha and beta die.
print(figure_3.curves([0.0, 12.0]).death)
