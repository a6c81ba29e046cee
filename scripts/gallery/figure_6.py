"""
Figures 6 and 10: a rare feature is starved
===========================================

The confidence on a feature that a share lam of a class has, at the moment at which a feature that all have is
learnt to .99 or .9999. Lines are what the paper plots and the solution of its equation 8, marks are networks.
Look at small lam: what is rare is hardly learnt at all; and at the left panel, in which the paper's curve lies
above what networks do.

Source: Fig. 6, Fig. 10, Thm 6.1, Thm D.2 (v2).
"""

from dynsim.paper import figure_6, script

# The frequencies of networks.
figure_6.FREQUENCIES = (0.05, 0.1, 0.2, 0.5, 0.8)  # try (0.1, 0.3, 0.6)

found = script.drawn(figure_6)
figure = found.figure

# The paper's curves as data, for frequencies and confidences of your own.
print(figure_6.figure_10([0.1, 0.5], confidence=[0.9, 0.999]).confidence.round(3))
