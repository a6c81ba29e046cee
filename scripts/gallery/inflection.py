"""
Section 3.2: one inflection, at P = .70855
==========================================

The confidence of nine classes, of three norms and three frequencies, and on the right its second derivative
against the confidence. Look at the marks on the left: wherever a curve is on the time axis, it turns at the same
confidence.

Source: Sec. 3.2 (v2).
"""

from dynsim.paper import inflection, script

# The logit from which all start.
inflection.INITIAL = 1e-2  # try 1e-3

found = script.drawn(inflection)
figure = found.figure

# The times of the inflections, a row a norm and a column a frequency.
print(inflection.curves([0.0]).turn.round(2))
