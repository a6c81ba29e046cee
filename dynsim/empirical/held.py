"""The gradient field of one network whose gates are held: every ReLU a fixed number times its pre-activation.

A kink is a place where the derivative of the loss jumps: hidden unit k on point i, where its pre-activation a_ki
is 0; and for the hinge loss point i at margin 1, since q_i max(0, 1 - m_i) is a ReLU of a = 1 - m_i as well. All
kinks are numbered in one row: layer by layer, unit by unit, point by point, the hinges last. Away from the kinks a
gate is 1 where a > 0 and 0 elsewhere. With the gates held the field is smooth on both sides of every kink, so that
an integrator may look across one without harm.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm

from dynsim.checks import Floats
from dynsim.dataset import Dataset
from dynsim.empirical import normals, smooth_pulls
from dynsim.network import Network

Kinks = NDArray[np.intp]

#: What cannot be told from 0 in a pre-activation, relative to the sum of the sizes of its terms.
_ROUNDING = 256 * float(np.finfo(float).eps)
#: The same for its rate, relative to the field times the length of its normal.
_STILL = 1e-12


class Followers(NamedTuple):
    """Kinks that are the same surface as a sliding one, that one itself among them: repeated or antipodal points.

    kinks: their numbers. place: of which sliding kink. along: 1 where both have their active side on the same
    side, gate gamma; -1 where on opposite sides, gate 1 - gamma. ratio: length of the normal beside that of the
    sliding kink. For the n of that one they push together with sum gamma e ratio - sum (1 - gamma) e ratio.
    """

    kinks: Kinks
    place: NDArray[np.intp]
    along: Floats
    ratio: Floats


class HeldGates:
    """-grad L of a single network as a function of one row of numbers, its parameters one after the other.

    The object owns the memory of one evaluation and hands out copies: to call it allocates next to nothing.

    Parameters
    ----------
    network : Network
        One network, no ensemble; gives the form, not the weights.
    data : Dataset
    loss : str
    floor : float
        Weights smaller than this are taken to be rounded as if they had this size.

    Attributes
    ----------
    gates : ndarray, shape (kinks,)
        0 or 1, and 0 where a kink slides; set by `hold`.
    sliding : ndarray of int
        The kinks along which the weights slide: the field is projected so that a stays 0 there.
    a, raw : ndarray, shape (kinks,)
        Of the last evaluation: pre-activations (hinges: 1 - m), and what arrives at a gate from behind,
        -dL/d relu(a) (hinges: -q).
    out : ndarray, shape (size,)
        The field of the last evaluation.
    pushes : ndarray, like sliding
        Of the last evaluation: the forces gate x raw that keep a = 0.
    evaluations : int
    """

    def __init__(self, network: Network, data: Dataset, loss: str, floor: float = 0.1) -> None:
        self.network, self.depth, self.floor = network, network.depth, floor
        self.points, self.evaluations = len(data), 0
        self.hinge, self.squared = loss == "hinge", loss == "squared"
        self.X = np.ascontiguousarray(data.X.T)
        self.y, self.signed = np.array(data.y), data.weights * data.y
        self.pull = None if self.hinge else smooth_pulls.of(data, loss)
        self._make_parameters()
        self._make_signals()
        if self.hinge:
            self.raw[self.edges[-1] :] = -data.weights
        self.hold(np.zeros(self.kinks), np.zeros(0, dtype=np.intp))

    # ---- memory: laid out once, filled at every evaluation -----------------------------------------------

    def _make_parameters(self) -> None:
        """The rows of the parameters, of the field and of a velocity, and every layer's views into them."""
        shapes = [p.shape for p in self.network.parameters]
        edges = np.cumsum([0, *(int(np.prod(shape, dtype=int)) for shape in shapes)])
        self.slots = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        self.shapes, self.size = shapes, int(edges[-1])
        self.diagonal = [self.network.is_diagonal(layer) for layer in range(self.depth)]
        self.flat, self.out, self._velocity = np.zeros(self.size), np.zeros(self.size), np.zeros(self.size)
        self.W, self.b = self.views(self.flat)
        self._dW, self._db = self.views(self.out)
        self._vW, self._vb = self.views(self._velocity)
        self._WT, self._dWT = [w.T for w in self.W], [w.T for w in self._dW]

    def views(self, rows: Floats) -> tuple[list[Floats], list[Floats]]:
        """Weights (..., units, inputs), diagonal ones and biases (..., units, 1), of parameters (..., size)."""
        lead = rows.shape[:-1]
        inputs = [1 if self.diagonal[i] else self.shapes[i][-1] for i in range(self.depth)]
        sizes = [(s, (s.stop - s.start) // m, m) for s, m in zip(self.slots, inputs, strict=False)]
        weights = [rows[..., s].reshape(*lead, units, m) for s, units, m in sizes]
        return weights, [rows[..., s].reshape(*lead, s.stop - s.start, 1) for s in self.slots[self.depth :]]

    def _make_signals(self) -> None:
        n, widths = self.points, self.network.widths
        self.edges = np.cumsum([0, *(w * n for w in widths)]).astype(np.intp)
        self.kinks = int(self.edges[-1]) + n * self.hinge
        self.a, self.raw, self.gates = np.zeros(self.kinks), np.zeros(self.kinks), np.zeros(self.kinks)
        self._A, self._R, self._G = self.layers(self.a), self.layers(self.raw), self.layers(self.gates)
        self.H = [self.X, *(np.zeros((w, n)) for w in widths)]
        self._HT = [signal.T for signal in self.H]
        self.f = np.zeros((len(self.W[-1]), n))
        self._E = [*(np.zeros((w, n)) for w in widths), np.zeros_like(self.f)]
        # As BLAS sees them, in Fortran order.
        self._ET, self._RT = [e.T for e in self._E], [r.T for r in self._R]
        self._outT = [*(a.T for a in self._A), self.f.T]
        self.layer_of = np.repeat(np.arange(self.depth), [*(w * n for w in widths), n * self.hinge])
        self.point_of = np.tile(np.arange(n), self.kinks // n)
        self.unit_of = (np.arange(self.kinks) - self.edges[self.layer_of]) // n

    def layers(self, row: Floats) -> list[Floats]:
        """The part of every hidden layer in a row of kinks, shape (units, n)."""
        return [row[a:b].reshape(-1, self.points) for a, b in itertools.pairwise(self.edges)]

    def pack(self, network: Network) -> Floats:
        """The row of parameters of a network of this form."""
        return np.concatenate([p.ravel() for p in network.parameters])

    def unpack(self, rows: Floats) -> Network:
        """The network of a row, or the ensemble of several: (..., size)."""
        lead = rows.shape[:-1]
        parts = [rows[..., s].reshape((*lead, *shape)) for s, shape in zip(self.slots, self.shapes, strict=True)]
        return self.network.with_parameters(parts)

    # ---- which gates are held ----------------------------------------------------------------------------

    def hold(self, gates: Floats, sliding: Kinks, followers: Followers | None = None) -> None:
        """Hold the gates, and let the field slide along some kinks, with others that are the same surface."""
        alone = Followers(sliding, np.arange(len(sliding)), np.ones(len(sliding)), np.ones(len(sliding)))
        self.sliding, self.members = np.array(sliding, dtype=np.intp), followers or alone
        self.gates[:] = gates
        self.gates[self.members.kinks] = 0.0
        self.sign = 2.0 * self.gates - 1.0
        self.sign[self.members.kinks] = 0.0
        self.pushes = np.zeros(len(self.sliding))
        # What is normal to a kink of the first layer is its input: the same at all times.
        self.straight = self.depth > 1 and bool(np.all(self.layer_of[self.sliding] == 0))
        if self.sliding.size and self.straight:
            self._rows = normals.of(self, self.sliding)
            self._inverse = normals.pseudoinverse(self._rows)

    # ---- the field ---------------------------------------------------------------------------------------

    def __call__(self, time: float, state: Floats) -> Floats:
        """The field at a state; it does not depend on the time."""
        self.evaluations += 1
        self.forward(state)
        self._backward()
        if self.sliding.size:
            self._project()
        return self.out.copy()

    def respond(self, state: Floats) -> Floats:
        """The same; afterwards `raw` holds what arrives at every gate while the sliding ones are fractional."""
        self(0.0, state)
        if self.sliding.size and not self.straight:
            self._backward(pushed=True)
        return self.out

    def forward(self, state: Floats) -> None:
        """The pre-activations, and the input of every layer."""
        self.flat[:] = state
        for layer in range(self.depth - 1):
            self._affine(layer, self._A[layer])
            np.multiply(self._A[layer], self._G[layer], out=self.H[layer + 1])
        self._affine(self.depth - 1, self.f)
        if self.hinge:
            np.subtract(1.0, self.y * self.f[0], out=self.a[self.edges[-1] :])

    def _affine(self, layer: int, out: Floats) -> None:
        if self.diagonal[layer]:
            np.multiply(self.W[layer], self.H[layer], out=out)
        else:
            dgemm(1.0, self._HT[layer], self._WT[layer], 0.0, self._outT[layer], 0, 0, 1)  # W h
        if self.b:
            out += self.b[layer]

    def _backward(self, pushed: bool = False) -> None:
        """The field with the gates as they are; `pushed`: with the forces along the sliding kinks put in."""
        if self.pull is None:
            np.multiply(self.signed, self.gates[self.edges[-1] :], out=self._E[-1][0])
        else:
            self.pull(self.f, self._E[-1])
        for layer in range(self.depth - 1, -1, -1):
            if pushed:
                self._push(layer)
            self._gradient(layer)
            if layer:
                self._down(layer)

    def _gradient(self, layer: int) -> None:
        e = self._E[layer]
        if self.diagonal[layer]:
            np.einsum("ij,ij->i", e, self.H[layer], out=self._dW[layer][:, 0])
        else:
            dgemm(1.0, self._HT[layer], self._ET[layer], 0.0, self._dWT[layer], 1, 0, 1)  # e h^T
        if self.b:
            np.sum(e, axis=1, out=self._db[layer][:, 0])

    def _down(self, layer: int) -> None:
        if self.diagonal[layer]:
            np.multiply(self.W[layer], self._E[layer], out=self._R[layer - 1])
        else:
            dgemm(1.0, self._ET[layer], self._WT[layer], 0.0, self._RT[layer - 1], 0, 1, 1)  # W^T e
        np.multiply(self._R[layer - 1], self._G[layer - 1], out=self._E[layer - 1])

    def _push(self, layer: int) -> None:
        """Put the forces along the sliding kinks of a layer into the back signal, each member's share."""
        kinks, place, along, _ = self.members
        here = self.layer_of[kinks] == layer
        gamma = self.fractions()[0][place[here]]
        force = np.where(along[here] > 0, gamma, 1.0 - gamma) * self.raw[kinks[here]]
        lone = np.bincount(place, minlength=len(self.sliding))[place[here]] == 1
        force[lone] = self.pushes[place[here]][lone]
        unit, point = self.unit_of[kinks[here]], self.point_of[kinks[here]]
        # The last layer's kinks are the hinges, a = 1 - y f: a push on a is one of -y on the logit.
        self._E[layer][unit, point] = force if layer < self.depth - 1 else -self.y[point] * force

    def fractions(self) -> tuple[Floats, Floats]:
        """gamma of every sliding kink, and by how much its push grows with gamma, e; see `Followers`.

        After `respond`. Where nothing arrives at the gate (e = 0), gamma does not matter and is 1/2.
        """
        kinks, place, along, ratio = self.members
        force = self.raw[kinks] * ratio
        if not self.sliding.size:
            return np.zeros(0), np.zeros(0)
        e = np.bincount(place, force, len(self.sliding))
        against = np.bincount(place, np.where(along < 0, force, 0.0), len(self.sliding))
        half = np.full(len(e), 0.5)
        return np.divide(self.pushes + against, e, out=half, where=e != 0.0), np.asarray(e, dtype=np.float64)

    def _project(self) -> None:
        """theta' + N^T delta with N theta' = 0: what is left of the field along all sliding kinks."""
        if self.straight:
            self.pushes = -(self._inverse @ self.out)
        else:
            self._rows = normals.of(self, self.sliding)
            self.pushes = normals.solve(self._rows, self.out)
        self.out += self.pushes @ self._rows

    # ---- what is asked at the end of a step --------------------------------------------------------------

    def rates(self, velocity: Floats) -> Floats:
        """da/dt of every kink where the parameters move with a velocity; at the last state."""
        return self._rates(velocity, np.zeros(0, dtype=np.intp), None)

    def headed(self, velocity: Floats, kinks: Kinks) -> Floats:
        """The same to the one side to which the velocity leads: at these kinks the ReLUs pass what grows, whatever
        their gates are."""
        return self._rates(velocity, kinks, None)

    def lifted(self, kinks: Kinks, by: Floats) -> Floats:
        """By how much pre-activations change where some are lifted off 0 `by` so much, and their ReLUs pass it."""
        return self._rates(np.zeros(self.size), kinks, by)

    def _rates(self, velocity: Floats, kinks: Kinks, by: Floats | None) -> Floats:
        self._velocity[:] = velocity
        out, turning, lift = np.empty(self.kinks), np.zeros(self.kinks, dtype=bool), np.zeros(self.kinks)
        turning[kinks] = True
        lift[kinks] = 0.0 if by is None else by
        turns, lifts = self.layers(turning), self.layers(lift)
        rate: Floats | None = None
        for layer, into in enumerate([*self.layers(out), np.empty_like(self.f)]):
            self._rate(layer, rate, into)
            rate = into
            if layer < self.depth - 1:
                into += lifts[layer]
                rate = into * self._G[layer]
                if kinks.size:
                    rate = np.where(turns[layer], np.maximum(into, 0.0), rate)
        if self.hinge and rate is not None:
            out[self.edges[-1] :] = -self.y * rate[0]
        return out

    def _rate(self, layer: int, rate: Floats | None, out: Floats) -> None:
        """d(W h + b)/dt = W' h + W h' + b'; the inputs of the first layer do not move."""
        if self.diagonal[layer]:
            np.multiply(self._vW[layer], self.H[layer], out=out)
        else:
            np.dot(self._vW[layer], self.H[layer], out=out)
        if rate is not None:
            out += self.W[layer] * rate if self.diagonal[layer] else self.W[layer] @ rate
        if self._vb:
            out += self._vb[layer]

    def scale(self) -> float:
        """Length of the last field, and of what was taken from it to slide."""
        taken = float(np.linalg.norm(self.pushes @ self._rows)) if self.sliding.size else 0.0
        return float(np.linalg.norm(self.out)) + taken

    def still(self, kinks: Kinks) -> Floats:
        """Rates of pre-activations that cannot be told from 0."""
        return _STILL * self.scale() * normals.lengths(self, kinks)

    def missing(self) -> float:
        """The largest |y - f| of a point that counts, for the squared loss; infinite for the others."""
        if not self.squared:
            return np.inf
        return float(np.max(np.abs(self.y - self.f[0]) * (self.signed != 0.0)))

    def slack(self) -> Floats:
        """How far from 0 a pre-activation of 0 may be found, for every kink at the last state, by rounding."""
        out = np.empty(self.kinks)
        noise: Floats | None = None
        for layer, into in enumerate([*self.layers(out), np.empty_like(self.f)]):
            size, signal = np.abs(self.W[layer]), np.abs(self.H[layer])
            product = (size + self.floor) * signal if self.diagonal[layer] else (size + self.floor) @ signal
            into[:] = _ROUNDING * product
            if noise is not None:
                into += size * noise if self.diagonal[layer] else size @ noise
            if self.b:
                into += _ROUNDING * np.abs(self.b[layer])
            noise = into * self._G[layer] if layer < self.depth - 1 else into
        if self.hinge and noise is not None:
            out[self.edges[-1] :] = noise[0] + _ROUNDING
        return out

    def invariants(self, state: Floats) -> tuple[Floats, float]:
        """|incoming|^2 - |outgoing|^2 of every hidden unit, which the flow conserves, and their largest size."""
        weights, biases = self.views(state)
        squares = [np.zeros(0)]
        largest = 0.0
        for layer in range(self.depth - 1):
            into = np.sum(weights[layer] ** 2, axis=1)
            if biases:
                into = into + biases[layer][:, 0] ** 2
            above = weights[layer + 1] ** 2
            away = above[:, 0] if self.diagonal[layer + 1] else above.sum(axis=0)
            squares.append(into - away)
            largest = max(largest, float(np.max(into + away)))
        return np.concatenate(squares), largest
