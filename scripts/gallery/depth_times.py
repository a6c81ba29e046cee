"""
Through any number of layers, in closed form
============================================

When two classes reach a confidence, for networks of 2, 3, 4 and 8 layers; lines are the closed form of the time,
marks networks. Look at class -1, which starts behind with eight layers and overtakes all others.

Source: beyond the paper: docs/theory.md, section 11.
"""

from dynsim.paper import depth_times, script
from dynsim.theory import modes

# The logit from which all start.
depth_times.INITIAL = 0.1  # try 0.2

found = script.drawn(depth_times)
figure = found.figure

# The time to the logit 3, as data, for numbers of layers of your own.
print(modes.time_to(3.0, initial=0.1, rate=0.7, norm=1.0, depth=[2, 5, 20]).round(3))
