"""
The plateau vanishes
====================

Left the second derivative of the confidence against the confidence for four imbalances C; right the confidences
between which it is positive, the plateau, by theory (lines) and of networks (marks). Look at where the grey
region ends: beyond C* = .5852 there is no plateau any more, and learning begins at full speed.

Source: docs/theory.md, section 5.
"""

from dynsim.paper import plateau, script

# Three below C* = .5852 and one above.
plateau.IMBALANCES = (0.2, 0.45, 0.56, 0.61)  # try (0.1, 0.3, 0.5, 0.7)

found = script.drawn(plateau)
figure = found.figure

# At which confidences the plateau begins and ends.
print(plateau.turns(imbalance=0.3))
