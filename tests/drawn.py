"""What a claim's figure shows, as numbers; for the tests of what is drawn."""

import functools
import importlib

import numpy as np

#: Of solve_ivp in those tests: relative errors a step, some hundred steps.
TIGHT = {"rtol": 1e-12, "atol": 1e-14, "method": "DOP853"}


@functools.cache
def reproduced(name):
    return importlib.import_module(f"dynsim.paper.{name}").reproduce(True)


def axes(name):
    return reproduced(name).figure.axes


def curve(ax, label):
    """x and y of the line of this label, or else the one whose label begins so."""
    same = [line for line in ax.lines if line.get_label() == label]
    (line,) = same or [line for line in ax.lines if line.get_label().startswith(label)]
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def marks(ax):
    """x and y of all marks, in the order in which they are drawn."""
    return [line.get_xydata().T for line in ax.lines if line.get_linestyle() == "None"]


def curves(ax):
    """And of all lines."""
    return [line.get_xydata().T for line in ax.lines if line.get_linestyle() != "None"]
