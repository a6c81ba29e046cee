"""
Theorem D.2: starvation from any start
======================================

Left the logit on the rare feature from a start that theorem 6.1 does not cover and from one that begins against
the feature, each beneath its bound; right the confidences of networks from random starts against their bounds.
Look for a mark above the line: there is none, although most are above the bound of theorem 6.1.

Source: Thm D.2, App. D.2 (v2).
"""

from dynsim.paper import script, theorem_d_2

# The start that theorem 6.1 does not cover: alpha, beta, z.
theorem_d_2.ABOVE = (0.1, 0.1, 0.1)  # try (0.1, 0.05, 0.1)

found = script.drawn(theorem_d_2)
figure = found.figure

# Networks from other random starts as data: where they end, and their bounds.
print(theorem_d_2.ends(3))
