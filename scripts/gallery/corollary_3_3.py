"""
Corollary 3.3: how much longer the slower class takes
=====================================================

The ratio of the times at which two classes reach a confidence, against that confidence; left for equal starts,
right for different ones. Look at the left panel: equal starts give a constant, the ratio of the rates; at the
right one, a head start still counts long after.

Source: Cor 3.3, A.5 (v2).
"""

from dynsim.paper import corollary_3_3, script, setting

# The logits from which the two classes start, a panel each.
corollary_3_3.STARTS = {"equal starts": (1e-3, 1e-3), "different starts": (1e-4, 3e-2)}  # try {"one": (0.1, 0.01)}

found = script.drawn(corollary_3_3)
figure = found.figure

# The ratio for a network of your own, at confidence .99: with the factor of A.5, and the plain one.
other = setting.experiment(hidden=2, lr=0.02, until=40.0, norms=(1.0, 1.0), initial=(1e-3, 1e-2))
print(corollary_3_3.ratio(other, 0.99))
