"""
What a step size does, to second order
======================================

The largest difference between a network and two laws, against the learning rate. Look at the slopes: half the
step size halves what the flow is off by, and leaves a quarter of what the modified flow is off by.

Source: docs/theory.md, section 9.
"""

from dynsim.paper import modified_flow, script

# The logit from which both classes start.
modified_flow.INITIAL = 1e-2  # try 1e-1

found = script.drawn(modified_flow)
figure = found.figure

# The errors as data, from another step size on: trains four networks.
print(modified_flow.errors(lr=0.1).modified_flow)
