"""
Figure 5, right: hinge loss is done in finite time
==================================================

Left how long either loss takes to a confidence, right the paper's inset: two classes, one of them rarer. Look at
the right end of the left panel: cross-entropy takes for ever to come to confidence 1, the hinge loss hardly
longer than to .6.

Source: Fig. 5 right, Thm 3.2, Thm 5.1 (v2).
"""

from dynsim.paper import figure_5, script

# The frequencies of the two classes of the inset.
figure_5.FREQUENCIES = (0.8, 0.2)  # try (0.7, 0.3)

found = script.drawn(figure_5)
figure = found.figure

# The lines of the left panel as data, for a class of another frequency.
print(figure_5.times([0.6, 0.9, 0.99], frequency=0.5))
