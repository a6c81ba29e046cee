"""
Figure 7: the sheets on which two classes compete
=================================================

Left the one sheet of c = 1, right the two sheets of c = -1, coloured by the class that wins a unit that starts
there; lines are theory, marks networks, and beneath is how far they are apart. Look at the left sheet's
separatrix, on which units run into the saddle; on the right there is none, and the sign of z decides.

Source: Fig. 7, A.8 (v2).
"""

from dynsim.paper import figure_7, script
from dynsim.theory import competition

# How far the axes alpha and beta reach.
figure_7.REACH = 2.0  # try 1.5

found = script.drawn(figure_7)
figure = found.figure

# Where a unit of your own is: its sheet, and how far it is above the separatrix, in z.
unit = {"alpha": 0.9, "beta": 0.8, "z": 0.2}
print(competition.invariant(**unit), competition.clearance(**unit).height)
