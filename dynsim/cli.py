"""The command line.

Exit status: 0 all verdicts agree, 1 something does not, 2 bad input (one clear line, no traceback).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dynsim import __version__, checks, data, init, losses, report
from dynsim.checks import AssumptionError
from dynsim.comparison import Comparison, Verdict, compare
from dynsim.dataset import Dataset
from dynsim.empirical.training import train
from dynsim.network import Network
from dynsim.theory.choice import LAWS, WITH_LR
from dynsim.theory.prediction import predict

if TYPE_CHECKING:
    from dynsim.paper.run import Store

AGREES, NOT_ALL, BAD_INPUT = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    try:
        arguments = _parser().parse_args(argv)
        status: int = arguments.run(arguments)
    except (ValueError, OSError, ImportError) as error:
        text = " ".join(str(error).split())
        print(f"dynsim: {text}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("dynsim: interrupted; what was finished is kept", file=sys.stderr)
        return NOT_ALL
    return status


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are bad input like any other: one line, and no usage block around it."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dynsim", description="predicted against measured learning dynamics")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_reproduce(commands.add_parser("reproduce", help="hold the claims of arXiv:1809.06848 v2 against networks"))
    _add_compare(commands.add_parser("compare", help="train a network on your data and hold theory against it"))
    return parser


# ---- reproduce -------------------------------------------------------------------------------------------


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for all that is written (out)")
    parser.add_argument("--only", nargs="+", action="extend", metavar="NAME", help="only these claims")
    parser.add_argument("--quick", action="store_true", help="larger steps and toy sizes, in less than a minute")
    parser.add_argument("--full", action="store_true", help="the long experiments at their full length")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one a core; 0: all in this one)")
    parser.add_argument("--details", action="store_true", help="print every line, note and table of each")
    parser.add_argument("--list", action="store_true", help="list the claims and stop")
    parser.set_defaults(run=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    from dynsim.paper import progress, run, sheet
    from dynsim.paper.claim import Standing

    if arguments.list:
        print("\n".join(sheet.listed(run.chosen(arguments.only))))
        return AGREES
    for one, other in (("quick", "full"), ("resume", "only")):
        if getattr(arguments, one) and getattr(arguments, other):
            raise ValueError(f"--{one} and --{other} must not both be given")
    run.chosen(arguments.only)
    number = run.cores() if arguments.workers is None else arguments.workers
    checks.count("workers", number, least=0)
    with run.alone(arguments.out):
        store = _store(arguments)
        try:
            with progress.Bar(store, sys.stderr) as bar:
                for claim in run.run(store, number=number, progress=sys.stderr.isatty(), watch=bar.watch):
                    bar.done(claim)
        except KeyboardInterrupt:
            _print(store, arguments)
            print(f"not all is done: dynsim reproduce --resume --out {arguments.out} goes on", file=sys.stderr)
            raise
    _print(store, arguments)
    good = (Standing.AGREES, Standing.EXPLAINED)
    return AGREES if all(claim["standing"] in good for claim in store.claims.values()) else NOT_ALL


def _print(store: Store, arguments: argparse.Namespace) -> None:
    """The table of the claims that are done; before it, on demand, all about each of them."""
    from dynsim.paper import sheet

    claims = store.document()["claims"]
    for claim in claims if arguments.details else ():
        print("\n".join([*sheet.details(claim), "", ""]))
    # A terminal would break long rows; all of what is cut off there is in the details.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join([*sheet.summary(claims, width), "", sheet.count(claims)]))
    print(f"figures, results.json and report.html are in {arguments.out}")


def _store(arguments: argparse.Namespace) -> Store:
    """What the run is to fill: a folder that is begun anew, or gone on with."""
    from dynsim.paper import run

    effort = run.Effort(arguments.quick, arguments.full)
    if arguments.resume:
        return run.Store.resume(arguments.out, effort)
    return run.Store.begin(arguments.out, run.chosen(arguments.only), effort)


# ---- compare ---------------------------------------------------------------------------------------------


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA.csv", help="a header line, a label column, numbers")
    parser.add_argument("--label", required=True, metavar="COLUMN", help="the column that holds the class")
    parser.add_argument("--classes", nargs=2, metavar=("A", "B"), help="the two classes; A becomes +1")
    parser.add_argument("--loss", default="cross_entropy", help=" | ".join(losses.LOSSES) + " (cross_entropy)")
    parser.add_argument("--hidden", type=int, default=64, help="hidden units (64)")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate (0.01)")
    parser.add_argument("--steps", type=int, default=5000, help="gradient descent steps (5000)")
    parser.add_argument("--batch-size", type=int, help="SGD with batches of this size (full batch)")
    parser.add_argument("--init", choices=("class_aligned", "gaussian"), default="class_aligned")
    parser.add_argument("--initial", type=float, help="logit of both classes at the start (0.001)")
    parser.add_argument("--imbalance", type=float, help="C of both classes at the start (0)")
    parser.add_argument("--scale", type=float, help="standard deviation of --init gaussian (0.01)")
    parser.add_argument("--law", default="auto", help="auto | " + " | ".join(LAWS) + " (auto)")
    parser.add_argument("--no-center", action="store_true", help="leave the origin where it is (default: midway)")
    parser.add_argument("--rng", type=int, default=0, help="seed of everything random (0)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for figures and JSON (out)")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    _check(arguments)
    points = data.from_csv(arguments.data, label=arguments.label, classes=arguments.classes)
    points = points if arguments.no_center else points.centered()
    if arguments.batch_size is not None:
        checks.count("batch_size", arguments.batch_size, least=1, most=len(points), limit="the number of points")
    network = _network(arguments, points)
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = points.check_assumptions(network)
    print(repr(points))
    print("origin    " + ("as given" if arguments.no_center else "moved to the midpoint of the two class means"))
    print(*(f"assumes   {assumption}" for assumption in found), "", sep="\n")
    theories = _theories(arguments, points, network)
    run = train(
        network,
        points,
        loss=arguments.loss,
        lr=arguments.lr,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        rng=np.random.default_rng(arguments.rng).spawn(1)[0],
        progress=sys.stderr.isatty(),
    )
    if run.message:
        print(f"run       {run.message}\n")
    reports = [compare(theory, run) for theory in theories]
    for number, comparison in enumerate(reports):
        print(("" if number == 0 else "\n" + "-" * 80 + "\n\n") + report.text(comparison, assumptions=False))
    if not reports:
        print("verdict   INCONCLUSIVE: theory not applicable, see 'refused' above")
    _write(arguments, points, found.to_dict(), reports, run.message)
    return AGREES if reports and all(r.verdict == Verdict.AGREES for r in reports) else NOT_ALL


def _check(arguments: argparse.Namespace) -> None:
    """What can be told to be wrong before anything is read or printed."""
    losses.get(arguments.loss)
    checks.choice("law", arguments.law, {**LAWS, "auto": ""})
    if arguments.law == "sgd" and arguments.batch_size != 1:
        raise ValueError(f"--batch-size must be 1 for --law sgd, got {arguments.batch_size}")
    checks.number("lr", arguments.lr)
    checks.count("steps", arguments.steps, least=0)
    checks.count("rng", arguments.rng, least=0)
    other = {"gaussian": ("initial", "imbalance"), "class_aligned": ("scale",)}[arguments.init]
    for name in other:
        if getattr(arguments, name) is not None:
            value = getattr(arguments, name)
            raise ValueError(f"--{name} has no meaning for --init {arguments.init}, got {value:g}")


def _network(arguments: argparse.Namespace, points: Dataset) -> Network:
    if arguments.init == "gaussian":
        scale = 0.01 if arguments.scale is None else arguments.scale
        return init.gaussian(points, arguments.hidden, scale=scale, rng=arguments.rng)
    initial = 1e-3 if arguments.initial is None else arguments.initial
    imbalance = 0.0 if arguments.imbalance is None else arguments.imbalance
    return init.class_aligned(points, arguments.hidden, initial=initial, imbalance=imbalance, rng=arguments.rng)


def _theories(arguments: argparse.Namespace, points: Dataset, network: Network) -> list[Any]:
    """The flow and the exact map for "auto", the law that was asked for otherwise; none where none applies."""
    wanted: list[dict[str, Any]] = [{"law": "auto"}, {"law": "auto", "lr": arguments.lr}]
    if arguments.law != "auto":
        wanted = [{"law": arguments.law}]
        if arguments.law in WITH_LR:
            wanted[0]["lr"] = arguments.lr
        if arguments.law == "sgd":
            wanted[0]["batch_size"] = arguments.batch_size
    try:
        return [predict(network, points, loss=arguments.loss, **options) for options in wanted]
    except AssumptionError as error:
        print(f"refused   {error}\n")
        return []


def _write(
    arguments: argparse.Namespace,
    points: Dataset,
    assumptions: dict[str, Any],
    reports: list[Comparison],
    message: str,
) -> None:
    from dynsim.plotting import comparison_figure

    out: Path = arguments.out
    stem = arguments.data.stem
    options = {k: str(v) if isinstance(v, Path) else v for k, v in vars(arguments).items() if k != "run"}
    report.write_json(
        out / f"{stem}.json",
        {
            "dynsim": __version__,
            "options": options,
            "data": repr(points),
            "assumptions": assumptions,
            "run": message or "finished",
            "comparisons": [comparison.to_dict() for comparison in reports],
        },
    )
    for comparison in reports:
        title = f"{stem}: {points.class_names[0]} against {points.class_names[1]}"
        comparison_figure(comparison, title).savefig(out / f"{stem}-{comparison.law}.png", dpi=150)
    print(f"\nwritten   {out / stem}.json" + "".join(f", {out / stem}-{r.law}.png" for r in reports))
