"""The readers: what they read, and for everything else one line that says where the fault is."""

import csv
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import tables

IRIS = Path(__file__).parents[1] / "examples" / "iris.csv"
SMALL = "a,b,kind\n1,2,cat\n3,4,dog\n5,6,cat\n"


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    return write


def check_refused(path, message, label="kind", **arguments):
    """The reader raises exactly this one line; {} stands for the path."""
    with pytest.raises(ValueError, match="^" + re.escape(message.replace("{}", str(path))) + "$"):
        tables.from_csv(path, label, **arguments)


# ---- CSV: what is read ------------------------------------------------------------------------------------


def test_two_classes_in_order_of_appearance(write):
    data = tables.from_csv(write(SMALL), "kind")
    np.testing.assert_array_equal(data.X, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(data.y, [1, -1, 1])
    np.testing.assert_array_equal(data.weights, [1 / 3] * 3)
    assert (data.name, data.class_names) == ("data", ("cat", "dog"))


def test_classes_choose_signs_and_rows(write):
    path = write(SMALL + "7,8,cow\n")
    data = tables.from_csv(str(path), "kind", classes=("cow", "cat"), name="farm")
    np.testing.assert_array_equal(data.X, [[1, 2], [5, 6], [7, 8]])
    np.testing.assert_array_equal(data.y, [-1, -1, 1])
    assert (data.name, data.class_names) == ("farm", ("cow", "cat"))


def test_features_choose_columns_and_their_order(write):
    data = tables.from_csv(write("a,note,b,kind\n1,x,2,cat\n3,y,4,dog\n"), "kind", features=["b", "a"])
    np.testing.assert_array_equal(data.X, [[2, 1], [4, 3]])


@pytest.mark.parametrize("labels", [("1", "-1"), ("-1", "1"), ("-1", "+1"), ("-1.0", "1.0")])
def test_labels_1_and_minus_1_keep_their_signs(write, labels):
    data = tables.from_csv(write("a,kind\n" + "".join(f"{float(v)},{v}\n" for v in labels)), "kind")
    np.testing.assert_array_equal(data.y, data.X[:, 0])
    assert [float(name) for name in data.class_names] == [1, -1]


def test_numeric_classes_may_be_given_as_numbers(write):
    data = tables.from_csv(write("a,kind\n5,0\n6,1\n7,2\n"), "kind", classes=(2, 0))
    np.testing.assert_array_equal(data.X * data.y[:, None], [[-5], [7]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_byte_order_mark_line_ends_blank_lines_quotes_and_spaces(write, encoding, newline):
    text = '\n"a", b ,"kind, or \u00e9"\n\n1, 2.5 ,"ca""t"\n   \n"-3e-2",4, dog \n\n'
    data = tables.from_csv(write(text.replace("\n", newline), encoding), "kind, or \u00e9")
    np.testing.assert_array_equal(data.X, [[1, 2.5], [-0.03, 4]])
    assert data.class_names == ('ca"t', "dog")


def test_no_line_end_at_the_end(write):
    assert len(tables.from_csv(write(SMALL.rstrip()), "kind")) == 3


def test_rows_of_other_classes_are_not_looked_at(write):
    assert len(tables.from_csv(write(SMALL + "?,,cow\n"), "kind", classes=("cat", "dog"))) == 3


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    rows=st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=2),
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda s: s == s.strip()),
        min_size=5,
        max_size=5,
        unique=True,
    ),
)
def test_what_the_csv_module_writes_is_read_back_bit_by_bit(tmp_path_factory, rows, names):
    path = tmp_path_factory.mktemp("round") / "trip.csv"
    kinds = [names[3 + k % 2] for k in range(len(rows))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names[:3])
        writer.writerows([*row, kind] for row, kind in zip(rows, kinds, strict=True))
    data = tables.from_csv(path, names[2], classes=names[3:])
    np.testing.assert_array_equal(data.X, rows)
    np.testing.assert_array_equal(data.y, [1 - 2 * (k % 2) for k in range(len(rows))])
    assert data.class_names == tuple(names[3:])


def test_rows_are_not_kept_as_text(write):
    path = write("a,b,c,d,kind\n" + "".join(f"{k}.123456789012345,1,2,3,{'xy'[k % 2]}\n" for k in range(20_000)))
    tracemalloc.start()
    data = tables.from_csv(path, "kind")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 20_000
    # Coordinates are 640 kB; as lists of strings the table would be above 6 MB.
    assert peak < 8 * data.X.nbytes


# ---- CSV: what is refused ---------------------------------------------------------------------------------


def test_missing_file(tmp_path):
    path = tmp_path / "none.csv"
    with pytest.raises(FileNotFoundError, match="^" + re.escape(f"{path}: no such file or directory") + "$"):
        tables.from_csv(path, "kind")


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="^" + re.escape(f"{tmp_path}: is a directory") + "$"):
        tables.from_csv(tmp_path, "kind")


@pytest.mark.parametrize("text", ["", "\n", "\n  \n\n", "\ufeff"])
def test_empty_file(write, text):
    check_refused(write(text), "{}: the file must have a header line and rows, got an empty file")


@pytest.mark.parametrize("text", ["a,kind", "a,kind\n", "\na,kind\n\n \n"])
def test_header_without_rows(write, text):
    check_refused(write(text), "{}: the file must have at least one row below its header, got none")


def test_header_names(write):
    path = write("a,b, a,kind\n1,2,3,cat\n")
    check_refused(path, "{}, line 1: column names must differ, got 'a' for columns 1 and 3")
    path = write("\na,,kind\n1,2,cat\n")
    check_refused(path, "{}, line 2: every column must have a name, got none for column 2")
    path = write("a,kind,\n1,cat,\n")
    check_refused(path, "{}, line 1: every column must have a name, got none for column 3")


def test_missing_columns_list_what_is_there(write):
    path = write(SMALL)
    check_refused(path, "{}: label must be one of the columns 'a', 'b', 'kind', got 'species'", label="species")
    check_refused(path, "{}: label must be one of the columns 'a', 'b', 'kind', got 2", label=2)
    check_refused(path, "{}: features must be one of the columns 'a', 'b', 'kind', got 'c'", features=["a", "c"])


def test_features_that_make_no_sense(write):
    path = write(SMALL)
    check_refused(path, "features must be a sequence of column names, got the string 'a'", features="a")
    check_refused(path, "{}: features must not contain the label column, got 'kind'", features=["a", "kind"])
    check_refused(path, "{}: features must differ, got 'b' twice", features=["b", "a", "b"])
    nothing_left = "{}: at least one column must be a coordinate, got none beside the label 'kind'"
    check_refused(path, nothing_left, features=[])
    path = write("kind\ncat\ndog\n")
    check_refused(path, nothing_left)


@pytest.mark.parametrize("cell", ["x", "", " ", "1.2.3", "1_000", "1;5", "0x10", "1e"])
def test_cell_that_is_no_number(write, cell):
    check_refused(write(SMALL + f"7,{cell},dog\n"), f"{{}}, line 5, column 'b': must be a number, got {cell!r}")


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_cell_that_is_not_finite(write, cell):
    check_refused(write(SMALL + f"{cell},7,dog\n"), f"{{}}, line 5, column 'a': must be finite, got {cell!r}")


def test_lines_are_counted_as_an_editor_counts_them(write):
    text = 'a,"kind\nof animal"\n\n1,cat\n\n\n2,"do\ng"\n3,cat\nx,cat\n'
    check_refused(write(text), "{}, line 10, column 'a': must be a number, got 'x'", label="kind\nof animal")
    text = 'a,kind\n1,cat\n"x\n",dog\n'
    check_refused(write(text), "{}, line 3, column 'a': must be a number, got 'x\\n'")


@pytest.mark.parametrize(("row", "cells"), [("7,8", 2), ("7,8,dog,", 4), ("7,8,dog,9", 4), ("7", 1)])
def test_wrong_number_of_cells(write, row, cells):
    check_refused(write(SMALL + "\n" + row + "\n"), f"{{}}, line 6: a row must have 3 cells, got {cells}")


def test_semicolons(write):
    check_refused(write("a;kind\n1;cat\n"), "{}: label must be one of the columns 'a;kind', got 'kind'")


def test_empty_label(write):
    check_refused(write(SMALL + "7,8, \n"), "{}, line 5, column 'kind': the label must not be empty")


def test_a_class_that_does_not_occur_lists_those_that_do(write):
    path = write(SMALL)
    message = "{}: classes must occur in column 'kind', got 'cow'; it holds 'cat', 'dog'"
    check_refused(path, message, classes=("cow", "cat"))
    check_refused(path, message, classes=("cat", "cow"))


def test_number_of_classes(write):
    advice = ": choose two with classes=(A, B)"
    check_refused(
        write(SMALL + "7,8,cow\n"), "{}: column 'kind' must hold two classes, got 3 ('cat', 'dog', 'cow')" + advice
    )
    check_refused(write("a,kind\n1,cat\n2,cat\n"), "{}: column 'kind' must hold two classes, got 1 ('cat')")
    text = "a,kind\n" + "".join(f"1,{k}\n" for k in range(99))
    shown = "'0', '1', '2', '3', '4', '5', '6', '7', ..."
    check_refused(write(text), f"{{}}: column 'kind' must hold two classes, got 99 ({shown})" + advice)


@pytest.mark.parametrize("classes", [("cat", "cat"), (" cat", "cat ")])
def test_equal_classes(write, classes):
    check_refused(write(SMALL), "classes must be two different labels, got 'cat' twice", classes=classes)


@pytest.mark.parametrize("classes", ["ab", b"ab", ("cat",), ("cat", "dog", "cow"), 3, {"cat", "dog"}])
def test_classes_that_are_no_pair(write, classes):
    check_refused(write(SMALL), f"classes must be two labels (A, B), got {classes!r}", classes=classes)


def test_text_that_is_not_utf8(write):
    message = "{}: the file must be UTF-8 text, got byte "
    check_refused(write(SMALL.replace("cat", "\u00e9"), "latin-1"), message + "0xe9")
    check_refused(write(SMALL, "utf-16"), message + "0xff")


def test_quotes_that_do_not_close(write):
    with pytest.raises(ValueError, match=r"data.csv, line 3: the row must be comma-separated values, got "):
        tables.from_csv(write('a,kind\n1,cat\n2,"dog\n3,cat\n'), "kind")


# ---- npz --------------------------------------------------------------------------------------------------


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return save


def assert_npz_refused(path, message, **arguments):
    with pytest.raises(ValueError, match="^" + re.escape(str(path)) + ": " + message):
        tables.from_npz(path, **arguments)


POINTS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def test_npz_with_signs(save):
    data = tables.from_npz(save(X=POINTS, y=[-1, 1, 1], weights=[0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(data.X, POINTS)
    np.testing.assert_array_equal(data.y, [-1, 1, 1])
    np.testing.assert_array_equal(data.weights, [0.1, 0.2, 0.3])
    assert (data.name, data.class_names) == ("data", ("1", "-1"))


@pytest.mark.parametrize("labels", [[0, 7, 3], [0.0, 7.0, 3.0], ["0", "7", "3"]])
def test_npz_with_classes(save, labels):
    path = save(X=POINTS, y=labels, weights=[0.1, 0.2, 0.3])
    data = tables.from_npz(path, "named", classes=(labels[2], labels[0]))
    np.testing.assert_array_equal(data.X, POINTS[[0, 2]])
    np.testing.assert_array_equal(data.y, [-1, 1])
    np.testing.assert_array_equal(data.weights, [0.1, 0.3])
    assert (data.name, data.class_names) == ("named", (str(labels[2]), str(labels[0])))


def test_npz_without_weights(save):
    data = tables.from_npz(save(X=POINTS, y=[0, 1, 2]), classes=(0, 2))
    np.testing.assert_array_equal(data.weights, [0.5, 0.5])


def test_npz_compressed(tmp_path):
    np.savez_compressed(tmp_path / "z.npz", X=POINTS, y=[1, -1, 1])
    assert len(tables.from_npz(tmp_path / "z.npz")) == 3


SHAPES = r"X must have shape \(n, d\), \(n, rows, columns\) or \(n, rows, .*\), none of them 0, got shape "


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 2, 4, 3)])
def test_npz_of_pictures(save, shape):
    X = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    data = tables.from_npz(save(X=X, y=["cat", "dog", "cow"]), classes=("dog", "cat"))
    # Row by row, the channels of a pixel side by side: the last index runs fastest.
    assert data.X.shape == (2, np.prod(shape[1:])) and data.X.dtype == np.float64
    for found, picture in zip(data.X, X, strict=False):
        np.testing.assert_array_equal(found, [picture[index] for index in np.ndindex(*shape[1:])])
    np.testing.assert_array_equal(data.y, [-1, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [1]}, r"the arrays must be 'X', 'y' and optionally 'weights', got 'y': no 'X'$"),
        ({"x": [1], "Y": [1]}, r"the arrays must be .* got 'x', 'Y': no 'X', 'y'$"),
        ({"weight": [1]}, r"the arrays must be .* got 'weight': no 'X', 'y'$"),
        ({}, r"the arrays must be .* got none: no 'X', 'y'$"),
        ({"X": POINTS, "y": [1, 1, -1], "weight": [1, 1, 1]}, r"the arrays .*'X', 'y', 'weight': also 'weight'$"),
        ({"X": POINTS, "y": [0, 1, 1]}, r"y must be \+1 or -1 unless classes=\(A, B\) is given, got 0, 1$"),
        (
            {"X": POINTS, "y": ["1", "-1", "1"]},
            r"y must be \+1 or -1 unless classes=\(A, B\) is given, got '1', '-1'$",
        ),
        ({"X": POINTS, "y": [1, 1, 1]}, r"classes must occur in y, got -1; it holds 1$"),
        ({"X": POINTS, "y": [1.0, np.nan, -1]}, r"y must be finite, got nan$"),
        ({"X": POINTS, "y": [[1, 1, -1]]}, r"y must be one-dimensional and not empty, got shape \(1, 3\)$"),
        ({"X": POINTS, "y": []}, r"y must be one-dimensional and not empty, got shape \(0,\)$"),
        ({"X": POINTS, "y": [1, -1]}, r"X must have 2 entries, as y has, got shape \(3, 2\)$"),
        ({"X": 3.0, "y": [1, -1]}, r"X must have 2 entries, as y has, got shape \(\)$"),
        ({"X": POINTS[:, 0], "y": [1, 1, -1]}, SHAPES + r"\(3,\)$"),
        ({"X": np.ones((3, 2, 2, 3, 1)), "y": [1, 1, -1]}, SHAPES + r"\(3, 2, 2, 3, 1\)$"),
        ({"X": np.ones((3, 0, 4)), "y": [1, 1, -1]}, SHAPES + r"\(3, 0, 4\)$"),
        ({"X": np.ones((3, 0)), "y": [1, 1, -1]}, SHAPES + r"\(3, 0\)$"),
        ({"X": POINTS * np.inf, "y": [1, 1, -1]}, r"X must be finite, got inf at \(0, 0\)$"),
        ({"X": POINTS + 0j, "y": [1, 1, -1]}, r"X must be real numbers, got dtype complex128$"),
        ({"X": POINTS.astype(str), "y": [1, 1, -1]}, r"X must be real numbers, got dtype <U32$"),
        ({"X": POINTS, "y": np.array([1, 1, -1], dtype="M8[D]")}, r"y must be numbers or strings, got dtype "),
        (
            {"X": POINTS, "y": [1, 1, -1], "weights": [1, 2]},
            r"weights must have 3 entries, as y has, got shape \(2,\)$",
        ),
        (
            {"X": POINTS, "y": [1, 1, -1], "weights": [1, 2, -1]},
            r"weights must be at least 0 and finite, got -1 at 2$",
        ),
        (
            {"X": POINTS, "y": np.array([1, 1, None])},
            r"arrays must be numbers or strings in a sound npz file, got ",
        ),
    ],
)
def test_npz_that_is_refused(save, arrays, message):
    assert_npz_refused(save(**arrays), message)


def test_npz_classes(save):
    path = save(X=POINTS, y=["a", "b", "c"])
    assert_npz_refused(path, r"classes must occur in y, got 'd'; it holds 'a', 'b', 'c'$", classes=("a", "d"))
    with pytest.raises(ValueError, match=r"^classes must be two different labels, got 'a' twice$"):
        tables.from_npz(path, classes=("a", "a"))
    with pytest.raises(ValueError, match=r"^classes must be two labels \(A, B\), got 'ab'$"):
        tables.from_npz(path, classes="ab")


def test_files_that_are_no_npz(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.npz: no such file or directory$"):
        tables.from_npz(tmp_path / "none.npz")
    with pytest.raises(IsADirectoryError, match=r": is a directory$"):
        tables.from_npz(tmp_path)
    np.save(tmp_path / "one.npy", POINTS)
    (tmp_path / "text.npz").write_text("1,2\n")
    (tmp_path / "empty.npz").touch()
    for name in ("one.npy", "text.npz", "empty.npz"):
        assert_npz_refused(tmp_path / name, r"must be an npz file, as numpy\.savez writes it$")


def test_damaged_npz(save):
    path = save(X=np.arange(2000.0).reshape(-1, 1), y=np.ones(2000))
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF  # within the numbers of X; the directory at the end is sound
    path.write_bytes(content)
    assert_npz_refused(path, "arrays must be numbers or strings in a sound npz file, got Bad CRC-32")


# ---- scikit-learn -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "shape", "counts"),
    [
        ("iris", ("setosa", "virginica"), (100, 4), (50, 50)),
        ("wine", ("class_2", "class_0"), (107, 13), (48, 59)),
        ("breast_cancer", ("benign", "malignant"), (569, 30), (357, 212)),
        ("digits", ("3", "8"), (357, 64), (183, 174)),
        ("digits", (3, 8), (357, 64), (183, 174)),
        ("iris", (np.int64(0), 2), (100, 4), (50, 50)),
    ],
)
def test_bundled_data(name, classes, shape, counts):
    data = tables.from_sklearn(name, classes)
    assert data.X.shape == shape
    assert (data.mask(1).sum(), data.mask(-1).sum()) == counts
    np.testing.assert_array_equal(data.weights, np.full(shape[0], 1 / shape[0]))
    assert data.name == name


def test_the_first_class_is_plus_1():
    data = tables.from_sklearn("iris", ("virginica", "setosa"))
    assert data.class_names == ("virginica", "setosa")
    np.testing.assert_array_equal(data.y, [-1] * 50 + [1] * 50)
    np.testing.assert_array_equal(data.X[0], [5.1, 3.5, 1.4, 0.2])


@pytest.mark.parametrize("value", ["rose", 3, -1, 1.0, True, None])
def test_a_target_that_does_not_exist(value):
    wanted = "classes of iris must be two of 'setosa', 'versicolor', 'virginica' or their ids 0 to 2, got "
    with pytest.raises(ValueError, match=wanted + re.escape(repr(value))):
        tables.from_sklearn("iris", ("setosa", value))


def test_bad_arguments_of_from_sklearn():
    with pytest.raises(
        ValueError, match="name must be one of 'iris', 'wine', 'breast_cancer', 'digits', got 'mnist'"
    ):
        tables.from_sklearn("mnist", (0, 1))
    with pytest.raises(ValueError, match="classes must be two different labels, got 'setosa' twice"):
        tables.from_sklearn("iris", ("setosa", 0))
    with pytest.raises(ValueError, match=r"classes must be two labels \(A, B\), got \(0, 1, 2\)"):
        tables.from_sklearn("iris", (0, 1, 2))


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"^from_sklearn needs scikit-learn: pip install dynsim\[data\]$"):
        tables.from_sklearn("iris", ("setosa", "virginica"))


# ---- the example file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes", [("setosa", "virginica"), ("versicolor", "setosa"), ("versicolor", "virginica")]
)
def test_iris_csv_is_the_bundled_data(classes):
    file, bundled = tables.from_csv(IRIS, "species", classes), tables.from_sklearn("iris", classes)
    np.testing.assert_array_equal(file.X, bundled.X)
    np.testing.assert_array_equal(file.y, bundled.y)
    assert (file.name, file.class_names) == ("iris", classes)


def test_iris_csv_is_fishers_version():
    data = tables.from_csv(IRIS, "species", ("setosa", "versicolor"))
    np.testing.assert_array_equal(data.X[34], [4.9, 3.1, 1.5, 0.2])
    np.testing.assert_array_equal(data.X[37], [4.9, 3.6, 1.4, 0.1])
    # The means of Fisher's Table II, which the other version of rows 35 and 38 misses.
    np.testing.assert_allclose(data.mean(1), [5.006, 3.428, 1.462, 0.246], rtol=1e-14)
    np.testing.assert_allclose(data.mean(-1), [5.936, 2.770, 4.260, 1.326], rtol=1e-14)


def test_iris_csv_is_plain():
    content = IRIS.read_bytes()
    assert content.isascii()
    assert b"\r" not in content
    assert len(content.splitlines()) == 151
