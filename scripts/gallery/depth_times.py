"""
Through any number of layers, in closed form
============================================

Left how long a class takes to three confidences, against the number of layers; right its confidence over time.
Lines are the closed form, which takes any number of layers, marks networks. Look at the left end: without a
hidden layer the last percents take the longest by far, and every further layer makes them quicker.

Source: docs/theory.md, section 11.
"""

from dynsim.paper import depth_times, script

# The logit from which all start.
depth_times.INITIAL = 0.1  # try 0.2

found = script.drawn(depth_times)
figure = found.figure

# The times of both classes as data, for confidences and numbers of layers of your own.
print(depth_times.times([0.6, 0.999], depth=20).round(3))
