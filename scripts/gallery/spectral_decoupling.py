"""
Features that do not starve each other
======================================

The responses to two features that share their points, against how strong the first one is; under weight decay,
and under a penalty on the logits in place of weights. Look at the right panel: with weight decay the response to
the weak feature falls as the other one gets stronger, with spectral decoupling it stays as it is.

Source: docs/theory.md, section 18.
"""

from dynsim.paper import script, spectral_decoupling

# How strong the second feature is.
spectral_decoupling.WEAK = 2.0  # try 1.5

found = script.drawn(spectral_decoupling)
figure = found.figure

# Both responses as data, for a strength of your own.
for penalty in ("weights", "logits"):
    print(penalty, spectral_decoupling.said(10.0, penalty).round(3))
