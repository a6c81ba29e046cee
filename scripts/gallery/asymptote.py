"""
In the end the logit outgrows log t
===================================

The logit less log t, for networks of two and of four layers: the closed form, its asymptotic series, and
networks. Look at whether the curves come to rest: they do not, they rise for ever, where the paper calls the
growth slower than log t. And at the series: without its fourth term it is off by a tenth of a logit and more,
with it by less and less.

Source: beyond the paper: docs/theory.md, section 5.
"""

from dynsim.paper import asymptote, script

# The number of layers, a panel each.
asymptote.DEPTHS = (2, 4)  # try (2, 3)

found = script.drawn(asymptote)
figure = found.figure

# The closed form as data, far beyond any training.
print(asymptote.closed([1e4, 1e8, 1e16], depth=2).round(3))
