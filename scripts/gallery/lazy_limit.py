"""
The lazy limit
==============

Left the logit of networks of growing imbalance C, in the time of the limit, in which they learn as if there were
no hidden layer; right the same against C. Look at how the marks sink onto the line: at C = 64 nothing of the
hidden layer is left to be seen.

Source: docs/theory.md, section 5.
"""

from dynsim.paper import lazy_limit, script

# The imbalances; the quick form leaves out the first and the last.
lazy_limit.IMBALANCES = (2.0, 4.0, 8.0, 16.0, 64.0, 256.0)  # try (2.0, 4.0, 8.0, 32.0, 64.0, 256.0)

found = script.drawn(lazy_limit)
figure = found.figure

# The limit as data, by Wright's function; its time is 2 kappa C t.
print(lazy_limit.limit([1.0, 10.0, 100.0], initial=0.5).round(3))
