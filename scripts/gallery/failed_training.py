"""
How often training fails
========================

The share of networks with h hidden units that never learn one of the classes, from small random weights; lines
are formulas. Look at the left panel: opposite inputs are easier than orthogonal ones; and at the right one: from
large weights units that gave up are now and then brought back, where inputs are orthogonal.

Source: docs/theory.md, section 15.
"""

from dynsim.paper import failed_training, script

# The standard deviations of the second panel.
failed_training.SCALES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # try (0.01, 0.1, 1.0)

found = script.drawn(failed_training)
figure = found.figure

# The formulas as data, and networks of your own.
print(failed_training.curves([2, 4, 8]))
print(failed_training.measured(3, "orthogonal", number=1000, scale=0.1))
