"""
In the end the logit outgrows log t
===================================

The logit less log t, for networks of two and of four layers: the closed form, its asymptotic series, and
networks. Look at the dashed line, which growth as fast as log t would follow: the curves rise through it and for
ever, where the paper calls the growth slower than log t. And at the series, which comes close with its fourth
term.

Source: docs/theory.md, section 5.
"""

from dynsim.paper import asymptote, script

# The logit from which all start.
asymptote.INITIAL = 0.1  # try 0.3

found = script.drawn(asymptote)
figure = found.figure

# The closed form as data, far beyond any training.
print(asymptote.closed([1e4, 1e8, 1e16], depth=2).round(3))
