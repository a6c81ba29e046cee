"""
A.3: imbalanced starts, and a clock that starts below 0
=======================================================

Left the logit of a class from balanced and imbalanced starts beneath the paper's bound (19); right a unit whose
logit is below 0 at first. Look at the right panel: the paper's clock, from an arccosh, does not know the sign of
the start and is far ahead of the network; from an arcsinh it is right.

Source: App. A.3, eq 15, bound (19) (v2).
"""

from dynsim.paper import appendix_a3, script
from dynsim.theory import bounds

# The logits from which the two classes start.
appendix_a3.INITIAL = (0.01, 1.0)  # try (0.1, 0.5)

found = script.drawn(appendix_a3)
figure = found.figure

# The bound as data, for a start of your own.
print(bounds.upper_bound([0.0, 10.0, 30.0], initial=0.5, rate=0.7, imbalance=0.1).round(3))
