"""
Exponential, squared and deep hinge losses
==========================================

The logits of two classes under losses that the paper does not treat; lines are closed forms, marks networks. Look
at the two curves of the squared loss: balanced it is a sigmoid that waits, with imbalance it is a tanh that
begins at once; and at hinge through four layers, which waits the longest and is done at a stroke.

Source: docs/theory.md, section 5.
"""

from dynsim.paper import other_losses, script
from dynsim.theory import modes

# How long networks are trained, in t = lr x step.
other_losses.UNTIL = 8.0  # try 12.0

found = script.drawn(other_losses)
figure = found.figure

# The closed forms as data, for a class of your own.
print(modes.logit([0.0, 2.0, 4.0], initial=0.1, rate=0.5, imbalance=0.2, loss="squared").round(4))
