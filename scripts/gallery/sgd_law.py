"""
The exact law of stochastic gradient descent
============================================

Left median and band of 90 % of the logits of two classes under batches of one point, and three networks as marks;
right which share of 2,000 networks lies in the bands, beside the exact probability. Look at how ragged the right
curves are, and that the marks follow every jag: the law is a discrete one.

Source: docs/theory.md, section 12.
"""

from dynsim.paper import script, sgd_law

# The imbalance C of both classes at the start.
sgd_law.IMBALANCE = 0.1  # try 0.5

found = script.drawn(sgd_law)
figure = found.figure

# The bands as data, for another step size.
print(sgd_law.bands(lr=0.1, steps=200, every=100).median.round(2))
