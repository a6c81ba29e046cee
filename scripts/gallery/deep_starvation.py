"""
Depth starves less
==================

Left what share the logit on a rare feature is of that on a frequent one, as chains of N layers are trained; right
the slope of the one against the other on logarithmic axes, from the equation alone and far beyond what can be
trained. Look at where the slopes end: at 1 - 1/N, the closer to 1 the deeper the network, and at 0 for a linear
model.

Source: docs/theory.md, section 18.
"""

from dynsim.paper import deep_starvation, script

# The share of the class that has the rare feature.
deep_starvation.LAM = 0.1  # try 0.2

found = script.drawn(deep_starvation)
figure = found.figure

# Theory against networks line by line: what is predicted, what is measured, and how far they may be apart.
for line in found.lines[:3]:
    print(f"{line.what}: {line.predicted:.6f}, {line.measured:.6f}, {line.floor:.1g}")
