"""
Starvation without a hidden layer
=================================

The logit on a rare feature against that on a frequent one in a linear model; left as a share of what it would be
if nothing starved, right under hinge loss. Look at how the left curves fall for ever, and at the corners on the
right: from there on the rare feature is not learnt any further.

Source: docs/theory.md, section 18.
"""

from dynsim.paper import linear_starvation, script
from dynsim.theory import starvation

# The share of the class that has the rare feature.
linear_starvation.LAM = 0.1  # try 0.2

found = script.drawn(linear_starvation)
figure = found.figure

# v2 as a function of v1, for a frequency of your own; and where hinge stops.
print(starvation.linear_path([1.0, 10.0, 100.0], frequency=0.3).round(3), starvation.hinge_limit(0.3))
