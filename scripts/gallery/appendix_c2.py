"""
C.2: hinge loss on Fisher's iris
================================

Left how many of 100 flowers have reached margin 1 and dropped out, and beneath by how many steps theory and
network differ; right the margins of the first and the last flower of either species. Look at the last virginica,
which takes many times as long as all others; theory has even that one to the step. Needs scikit-learn.

Source: C.2 (v2); after the first drop-out: docs/theory.md, section 7.
"""

from dynsim.paper import appendix_c2, script

# The logit from which both species start.
appendix_c2.INITIAL = 1e-2  # try 2e-2

found = script.drawn(appendix_c2)
figure = found.figure

# The drop-outs as data: network, exact map, modified flow and flow, a number a flower.
print(appendix_c2.dropouts(lr=0.02).network[:5])
