"""
Table 2: brightness in place of shape
=====================================

Networks learn to tell two digits of which one was made dark and the other bright, and are asked about untouched
ones. Look at the confidence on the untouched bright digit: it falls to 0 while that on modified pictures goes to
1; and at the last panel, in which the same networks learn the untouched pictures well enough. Needs scikit-learn.

Source: Table 2, E.2 (v2).
"""

from dynsim.paper import brightness, script

# The pairs of digits, the first of which is made dark. The quick form takes the first pair alone.
brightness.PAIRS = ((3, 8), (1, 7), (4, 9), (0, 6), (2, 5))  # try ((1, 7), (3, 8))

found = script.drawn(brightness)
figure = found.figure
