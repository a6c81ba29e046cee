"""What is wrong in the paper (v2), as far as it matters here: the rows of docs/theory.md, which derives them."""

from __future__ import annotations

from typing import NamedTuple


class Erratum(NamedTuple):
    """Where something is wrong, what it is, and what is done in its place; code between backticks."""

    place: str
    wrong: str
    here: str


ERRATA = (
    Erratum(
        "A.3, start of the clock",
        "an arccosh gives the size of theta0 and loses its sign, so that a start with z < 0 is taken for one "
        "with z > 0; and close to 0 it loses up to half the digits",
        "arcsinh(u0/C), or the angle from u0 (section 5)",
    ),
    Erratum(
        "A.4, equation of z'",
        'the pull of cross-entropy is 1/(1 + e^u); without "1 +" it is that of the exponential loss',
        "(3.1) with g(u) = 1/(1 + e^u)",
    ),
    Erratum(
        "eq 4, Thm 3.4",
        "equations of a loss that is the sum over the two classes (p1 = p2 = 1); read as a mean they lack a "
        "factor 1/2",
        "general frequencies; 1/2, 1/2 doubles the times (section 14)",
    ),
    Erratum(
        "eq 8",
        "silently of unit norms; and read without z' its bounds would stand on a weight z that does not grow",
        "(17.2), any norms, with z'",
    ),
    Erratum(
        "Thm 6.1, Table 1",
        "sigma(lambda L) needs alpha0 >= beta0/lambda: a start that is not covered may end above it, .641 "
        "against .613",
        "`starvation.covered`, Thm D.2 and a bound from the start alone (section 17)",
    ),
    Erratum(
        "Fig. 6",
        "plots sigma(lambda L + 0.1 (1 - lambda) sqrt(L)), which is Thm D.2 from alpha0 = beta0 = .1 with "
        "sqrt(L) in place of z*: neither the solution nor a bound",
        "labelled as what it is (`dynsim.paper.figure_6.figure_6`)",
    ),
    Erratum(
        "App. D, Figs 6 and 10",
        'write alpha for lambda, and "(9)" for (7)',
        "lambda",
    ),
    Erratum(
        "Section 5, GAN",
        '"cross-entropy saturates" is true of the saturating objective alone',
        "three objectives (section 19)",
    ),
    Erratum(
        "E.2",
        "says once that dogs and once that cats are the brighter ones",
        "the first class is dark",
    ),
    Erratum(
        "growth of the logit",
        "it is not slower than log t: u - log t tends to infinity, like log log t; bound (19) gives 2 log t",
        "asymptote (5.3)",
    ),
)
