"""
Figure 5, left: what a generator is told
========================================

Above, eight Gaussians and what generators make of them after their games. Beneath on the left the length of the
gradient that a discriminator gives a generator; the other panels follow the games: how many modes are covered,
and how good samples are. Look at the gradient: under hinge loss it stays, with cross-entropy it fades or grows.
In the quick form games are too short for anything to be learnt.

Source: Fig. 5 left, App. E.1 (v2).
"""

from dynsim.paper import gan, script

# The games of either length: how long, and with which seeds each kind is played. The usual length takes minutes.
gan.USUAL = gan.Plan({"steps": 10_000, "records": 50}, seeds=(0, 1, 2))
gan.QUICK = gan.QUICK._replace(seeds=(0, 1))  # try gan.QUICK._replace(seeds=(2, 3))

found = script.drawn(gan)
figure = found.figure
