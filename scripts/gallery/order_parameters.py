"""
Many points, a few numbers
==========================

The margins of the points that a network is least and most sure of, for twelve made points and for Fisher's iris;
lines are the flow of the order parameters, marks networks of 8 and of 64 units. Look at what is not there:
neither the weights nor the number of units enter, and yet every single point is right. Needs scikit-learn.

Source: docs/theory.md, section 7.
"""

from dynsim.paper import order_parameters, script

# The logit from which both classes start.
order_parameters.INITIAL = 1e-2  # try 5e-2

found = script.drawn(order_parameters)
figure = found.figure

# Whether points can be followed in this way is asked of them; of your own as well.
print(order_parameters.points().check_assumptions())
