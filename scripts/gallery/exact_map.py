"""
The exact map of gradient descent
=================================

The logits of two classes at three widths and step sizes; lines are a map of two numbers a class, marks networks.
Look at the panels beneath: the two differ by round-off, be the step .01 or 3.

Source: docs/theory.md, section 6.
"""

from dynsim.paper import exact_map, script
from dynsim.theory import maps

# The imbalance C of both classes at the start.
exact_map.IMBALANCE = 0.5  # try 0.1

found = script.drawn(exact_map)
figure = found.figure

# The map as data: the logit of a class after each of four large steps.
print(maps.gradient_descent(0.4, 0.1, rate=0.7, norm=1.0, lr=2.0, steps=4).round(4))
