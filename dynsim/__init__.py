"""dynsim: what a theory of learning dynamics predicts, beside what a network does.

The time axis is t = lr x step, everywhere.
"""

from dynsim import brightness, data, init, losses, theory
from dynsim.checks import AssumptionError
from dynsim.comparison import Comparison, Verdict, compare
from dynsim.dataset import Dataset
from dynsim.empirical.flow import FlowError, flow
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.prediction import Prediction, predict
from dynsim.trajectory import Outcome, Status, Trajectory

__version__ = "0.1.0"

__all__ = [
    "AssumptionError",
    "Comparison",
    "Dataset",
    "FlowError",
    "Network",
    "Outcome",
    "Prediction",
    "Status",
    "Trajectory",
    "Verdict",
    "brightness",
    "compare",
    "data",
    "flow",
    "init",
    "losses",
    "predict",
    "theory",
    "train",
]
