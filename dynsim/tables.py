"""Readers: labelled points from CSV files, npz files and the data sets that come with scikit-learn.

Points are returned as read; `Dataset.centered` moves the midpoint of the class means to the origin.
"""

from __future__ import annotations

import csv
import math
import operator
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynsim import checks
from dynsim.checks import Floats
from dynsim.dataset import Dataset

#: The data sets of `from_sklearn` and the functions that load them; none needs a network connection.
BUNDLED = {
    "iris": "load_iris",
    "wine": "load_wine",
    "breast_cancer": "load_breast_cancer",
    "digits": "load_digits",
}
_NAMED = 8  # no more values than this are listed in an error


# ---- CSV ------------------------------------------------------------------------------------------------


def from_csv(
    path: str | PathLike[str],
    label: str,
    classes: Sequence[object] | None = None,
    features: Sequence[str] | None = None,
    name: str | None = None,
) -> Dataset:
    r"""Points of two classes from a comma-separated file with a header line.

    The file is UTF-8, with or without byte order mark; cells may be quoted; blank lines, and white space
    around a cell, are ignored. It is read row by row. Every point has weight 1/n.

    Parameters
    ----------
    path : path-like
        The file.
    label : str
        The column that names each row's class.
    classes : (A, B), optional
        The labels to read, as they are written in the file: A becomes +1, B becomes -1. Rows of other classes
        are left out, and their coordinates not looked at. By default the column must hold exactly two labels;
        the first to appear becomes +1, except that labels equal to 1 and -1 keep their signs.
    features : sequence of str, optional
        The columns that are coordinates, in this order. Default: all columns but `label`, as in the file.
    name : str, optional
        Of the data set; default the file's name without its suffix.

    Raises
    ------
    OSError
        If the file does not exist or cannot be read.
    ValueError
        If the file is empty or not UTF-8, a header name is empty or repeated, a column or class is missing, a
        row has too few or too many cells, a cell is not a finite number, or the classes are not two. The
        message names the file and, where there is one, the line and the column.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "fruit.csv")
    ...     _ = path.write_text("length,mass,kind\n7.5,150,apple\n9,170,pear\n")
    ...     from_csv(path, "kind")
    Dataset(fruit: 2 points in 2 dimensions, 1 of class 'apple', 1 of class 'pear')
    """
    path = Path(path)
    wanted = None if classes is None else _pair([str(c).strip() for c in _two(classes)])
    X, labels, seen = _read(path, label, wanted, features)
    column = f"column {label!r}"
    pair = _both(path, column, seen) if wanted is None else _present(path, column, wanted, seen)
    return _selected(X, labels, pair, _name(name, path))


def _read(
    path: Path, label: str, wanted: tuple[Any, Any] | None, features: Sequence[str] | None
) -> tuple[Floats, list[str], list[str]]:
    """Coordinates and label of each row wanted, and every label of the file in order of first appearance."""
    rows = _rows(path)
    line, cells = next(rows, (0, []))
    if not cells:
        raise ValueError(f"{path}: the file must have a header line and rows, got an empty file")
    header = _header(path, line, cells)
    at = _column(path, header, label, "label")
    columns = [(header.index(f), f) for f in _features(path, header, label, features)]
    values, labels = array("d"), []
    seen: dict[str, None] = {}  # a set that keeps the order
    for line, cells in rows:
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {line}: a row must have {len(header)} cells, got {len(cells)}")
        value = cells[at].strip()
        if not value:
            raise ValueError(f"{path}, line {line}, column {label!r}: the label must not be empty")
        seen[value] = None
        if wanted is None or value in wanted:
            labels.append(value)
            values.extend(_number(path, line, column, cells[k]) for k, column in columns)
    if not seen:
        raise ValueError(f"{path}: the file must have at least one row below its header, got none")
    return np.array(values).reshape(-1, len(columns)), labels, list(seen)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line on which it starts."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield line, cells
                # Not `line + 1`: a quoted cell may contain line breaks.
                line = reader.line_num + 1
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"{path}: the file must be UTF-8 text, got byte 0x{byte:02x}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: the row must be comma-separated values, got {error}") from error


def _unreadable(path: Path, error: OSError) -> OSError:
    return type(error)(f"{path}: {(error.strerror or str(error)).lower()}")


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for k, name in enumerate(header):
        if not name:
            raise ValueError(f"{path}, line {line}: every column must have a name, got none for column {k + 1}")
        if name in header[:k]:
            raise ValueError(
                f"{path}, line {line}: column names must differ, got {name!r} for columns "
                f"{header.index(name) + 1} and {k + 1}"
            )
    return header


def _column(path: Path, header: list[str], name: str, argument: str) -> int:
    if name not in header:
        raise ValueError(f"{path}: {argument} must be one of the columns {checks.listed(header)}, got {name!r}")
    return header.index(name)


def _features(path: Path, header: list[str], label: str, features: Sequence[str] | None) -> list[str]:
    if isinstance(features, str):
        raise ValueError(f"features must be a sequence of column names, got the string {features!r}")
    chosen = [name for name in header if name != label] if features is None else list(features)
    if not chosen:
        raise ValueError(f"{path}: at least one column must be a coordinate, got none beside the label {label!r}")
    for k, name in enumerate(chosen):
        _column(path, header, name, "features")
        if name == label:
            raise ValueError(f"{path}: features must not contain the label column, got {name!r}")
        if name in chosen[:k]:
            raise ValueError(f"{path}: features must differ, got {name!r} twice")
    return chosen


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        # float() reads 1_000 as Python does; in a table it is a slip.
        value = float(cell.replace("_", "?"))
    except ValueError:
        raise ValueError(f"{path}, line {line}, column {column!r}: must be a number, got {cell!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"{path}, line {line}, column {column!r}: must be finite, got {cell!r}")
    return value


def _both(path: Path, column: str, seen: list[str]) -> tuple[Any, Any]:
    """The two classes of a column: 1 and -1 as they are, all others in order of appearance."""
    if len(seen) != 2:
        advice = ": choose two with classes=(A, B)" if len(seen) > 2 else ""
        raise ValueError(f"{path}: {column} must hold two classes, got {len(seen)} ({_some(seen)}){advice}")
    # Label -1 made class +1 because it comes first would turn every sign round.
    return (seen[1], seen[0]) if _sign(seen[0]) == -1 and _sign(seen[1]) == 1 else (seen[0], seen[1])


def _sign(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return math.nan


# ---- npz ------------------------------------------------------------------------------------------------


def from_npz(
    path: str | PathLike[str], name: str | None = None, *, classes: Sequence[object] | None = None
) -> Dataset:
    """Points of two classes from the arrays X, y and, optionally, weights of an npz file.

    Parameters
    ----------
    path : path-like
        The file, as `numpy.savez` writes it: X of shape (n, d), y of shape (n,), weights of shape (n,).
        Pictures, X of shape (n, rows, columns) or (n, rows, columns, channels), are read row by row into points.
        Nothing in it is unpickled.
    name : str, optional
        Of the data set; default the file's name without its suffix.
    classes : (A, B), optional
        Two of the values of y: A becomes +1, B becomes -1, points with other values are left out together
        with their weights. Needed unless y is +1 and -1 already.

    Raises
    ------
    OSError
        If the file does not exist or cannot be read.
    ValueError
        If it is not an npz file, lacks X or y or holds other arrays, if y is not +-1 and `classes` is not
        given, if a class does not occur, or if `Dataset` refuses the arrays. The message names the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "pair.npz")
    ...     np.savez(path, X=[[1.0], [-2.0]], y=["cat", "dog"])
    ...     from_npz(path, classes=("cat", "dog"))
    Dataset(pair: 2 points in 1 dimensions, 1 of class 'cat', 1 of class 'dog')
    """
    path = Path(path)
    pair = None if classes is None else _pair(_two(classes))
    arrays = _arrays(path)
    labels = arrays["y"].tolist()
    seen = list(dict.fromkeys(labels))
    if pair is None:
        if arrays["y"].dtype.kind not in "iuf" or not set(seen) <= {1, -1}:
            raise ValueError(f"{path}: y must be +1 or -1 unless classes=(A, B) is given, got {_some(seen)}")
        pair = (1, -1)
    pair = _present(path, "y", pair, seen)
    try:
        return _selected(_flattened(arrays["X"]), labels, pair, _name(name, path), arrays.get("weights"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _flattened(X: NDArray[Any]) -> NDArray[Any]:
    """Points, or pictures row by row, as points (n, d)."""
    if X.ndim not in (2, 3, 4) or not X.size:
        wanted = "(n, d), (n, rows, columns) or (n, rows, columns, channels), none of them 0"
        raise ValueError(f"X must have shape {wanted}, got shape {X.shape}")
    return X.reshape(len(X), -1)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the file, with shapes that fit each other."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError(f"{path}: must be an npz file, as numpy.savez writes it")
    except OSError as error:
        raise _unreadable(path, error) from error
    arrays = _load(path)
    for array_name, kinds in (("X", "biuf"), ("y", "biufUS"), ("weights", "biuf")):
        if array_name in arrays and arrays[array_name].dtype.kind not in kinds:
            wanted = "numbers or strings" if array_name == "y" else "real numbers"
            raise ValueError(f"{path}: {array_name} must be {wanted}, got dtype {arrays[array_name].dtype}")
    y = arrays["y"]
    if y.ndim != 1 or not y.size:
        raise ValueError(f"{path}: y must be one-dimensional and not empty, got shape {y.shape}")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"{path}: y must be finite, got {y[~np.isfinite(y)][0]}")
    for array_name, values in arrays.items():
        if values.shape[:1] != y.shape:
            raise ValueError(f"{path}: {array_name} must have {y.size} entries, as y has, got shape {values.shape}")
    return arrays


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [k for k in ("X", "y") if k not in file.files]
            extra = [k for k in file.files if k not in ("X", "y", "weights")]
            if not missing and not extra:
                return {k: file[k] for k in file.files}
            found = checks.listed(file.files) or "none"
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: arrays must be numbers or strings in a sound npz file, got {error}") from error
    # An array that is not known could be misspelt weights: to ignore it would train on the wrong loss.
    wrong = f"no {checks.listed(missing)}" if missing else f"also {checks.listed(extra)}"
    raise ValueError(f"{path}: the arrays must be 'X', 'y' and optionally 'weights', got {found}: {wrong}")


# ---- scikit-learn ---------------------------------------------------------------------------------------


def from_sklearn(name: str, classes: Sequence[object]) -> Dataset:
    """Two classes of a data set that comes with scikit-learn; nothing is downloaded.

    Parameters
    ----------
    name : {'iris', 'wine', 'breast_cancer', 'digits'}
    classes : (A, B)
        Target names (strings) or target ids (integers): A becomes +1, B becomes -1, other points are left out.
        Every point has weight 1/n.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        If there is no such data set or class; the message lists those there are.

    Examples
    --------
    >>> from_sklearn("iris", classes=("setosa", "virginica"))
    Dataset(iris: 100 points in 4 dimensions, 50 of class 'setosa', 50 of class 'virginica')
    """
    loader = checks.choice("name", name, BUNDLED)
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError("from_sklearn needs scikit-learn: pip install dynsim[data]") from error
    bunch = getattr(datasets, loader)()
    names = [str(target) for target in bunch.target_names]
    pair = _pair([_target(name, names, value) for value in _two(classes)])
    return _selected(bunch.data, [names[k] for k in bunch.target], pair, name)


def _target(data: str, names: list[str], value: object) -> str:
    if isinstance(value, str) and value in names:
        return value
    try:
        return names[range(len(names))[_id(value)]]
    except (TypeError, IndexError):
        wanted = f"{checks.listed(names)} or their ids 0 to {len(names) - 1}"
        raise ValueError(f"classes of {data} must be two of {wanted}, got {value!r}") from None


def _id(value: Any) -> int:
    number = operator.index(value)
    # An index of -1 would be the last class, True the second.
    if number < 0 or isinstance(value, bool):
        raise IndexError(number)
    return number


# ---- two classes ----------------------------------------------------------------------------------------


def _two(classes: Sequence[object]) -> Sequence[object]:
    # A set has no first element: which class became +1 would change from run to run.
    ordered = isinstance(classes, (Sequence, np.ndarray)) and not isinstance(classes, (str, bytes))
    if not ordered or len(classes) != 2:
        raise ValueError(f"classes must be two labels (A, B), got {classes!r}")
    return classes


def _pair(classes: Sequence[object]) -> tuple[Any, Any]:
    first, second = classes
    if first == second:
        raise ValueError(f"classes must be two different labels, got {first!r} twice")
    return first, second


def _present(path: Path, where: str, pair: tuple[Any, Any], seen: list[Any]) -> tuple[Any, Any]:
    for value in pair:
        if value not in seen:
            raise ValueError(f"{path}: classes must occur in {where}, got {value!r}; it holds {_some(seen)}")
    return pair


def _name(name: str | None, path: Path) -> str:
    return path.stem if name is None else name


def _some(values: Iterable[object]) -> str:
    listed = list(values)
    return ", ".join(repr(v) for v in listed[:_NAMED]) + (", ..." if len(listed) > _NAMED else "")


def _selected(
    X: Any, labels: list[Any], pair: tuple[Any, Any], name: str, weights: NDArray[Any] | None = None
) -> Dataset:
    """The points of the two classes, the first as +1."""
    y = np.array([float(value == pair[0]) - float(value == pair[1]) for value in labels])
    keep = y != 0
    q = None if weights is None else weights[keep]
    return Dataset(X[keep], y[keep], q, name, (str(pair[0]), str(pair[1])))
