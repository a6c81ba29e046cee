"""
A.2: more than two classes
==========================

Confidence in three classes of different norm and frequency under softmax, and beneath it how far theory and
network are apart. Look at the order of the curves: each class is learnt as if it were alone, at the speed of its
own p ``|x|``.

Source: A.2 (v2); the closed form is beyond the paper: docs/theory.md, section 10.
"""

from dynsim.paper import appendix_a2, script

# The norms of the inputs, repeated as often as there are classes.
appendix_a2.NORMS = (1.0, 1.5, 2.0)  # try (1.0, 1.0, 3.0)

found = script.drawn(appendix_a2)
figure = found.figure

# The lines as data, for as many classes as you like.
print(appendix_a2.curves(number=5, time=[0.0, 20.0, 40.0]).confidence.round(3))
