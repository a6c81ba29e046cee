"""Runs that are interrupted, killed or have no room: what they leave, and what goes on from there."""

import errno
import fcntl
import json
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_paper_run import catalogued, document, fails, listing, reproduce, result

from dynsim import cli, files
from dynsim.paper import run, workers

ROOT = Path(__file__).parent.parent
ASKED = ("lemma_3_1", "theorem_3_2", "figure_2", "figure_4")


def made(name, calls, stop=()):
    def reproduce(quick):
        if name in stop:
            raise KeyboardInterrupt
        calls.append(name)
        return result(name)

    return reproduce


def test_interrupted_and_resumed(tmp_path, capsys, monkeypatch):
    a, b = tmp_path / "a", tmp_path / "b"
    stop, calls = ["two"], []
    catalogued(monkeypatch, **{name: made(name, calls, stop) for name in ("one", "two", "three", "never")})
    only = ("--quick", "--only", "one", "two", "three")
    assert reproduce(b, *only) == cli.NOT_ALL
    printed = capsys.readouterr()
    assert f"not all is done: dynsim reproduce --resume --out {b} goes on\n" in printed.err
    assert printed.err.endswith("dynsim: interrupted; what was finished is kept\n")
    assert "1 claim: 1 AGREES\n" in printed.out
    assert [claim["name"] for claim in document(b)["claims"]] == ["one"]
    # The page says what is missing.
    assert "not done yet: two, three" in (b / "report.html").read_text()
    stop.clear()
    # It knows what it was asked for, and how much is to be done.
    assert reproduce(b, "--resume") == cli.AGREES
    assert calls == ["one", "two", "three"]
    assert reproduce(a, *only) == cli.AGREES
    whole, resumed = document(a), document(b)
    assert whole.pop("times").keys() == resumed.pop("times").keys()
    assert whole == resumed
    assert (a / "report.html").read_bytes() == (b / "report.html").read_bytes()


def test_what_failed_or_lost_its_figure_is_done_again(tmp_path, monkeypatch):
    catalogued(monkeypatch, one=fails, two=lambda quick: result("two"), three=lambda quick: result("three"))
    assert reproduce(tmp_path) == cli.NOT_ALL
    (tmp_path / "two.svg").unlink()
    calls = []
    catalogued(monkeypatch, **{name: made(name, calls) for name in ("one", "two", "three")})
    assert reproduce(tmp_path, "--resume") == cli.AGREES
    assert calls == ["one", "two"]
    assert {"one.png", "two.svg"} <= set(listing(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"full": True}, r"results\.json was made with full = True, here it is False; start anew without --resume"),
        ({"versions": {"dynsim": "0"}}, r"was made with versions = \{'dynsim': '0'\}, here it is"),
        ({"asked": ["gone"]}, r"is not of this version of dynsim: .*'gone'"),
        ({"paper": 1}, r"was made with paper = 1"),
    ],
)
def test_only_the_same_run_is_gone_on_with(change, message, tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result())
    assert reproduce(tmp_path, "--quick") == cli.AGREES
    path = tmp_path / "results.json"
    path.write_text(json.dumps({**document(tmp_path), **change}))
    before = path.read_bytes()
    capsys.readouterr()
    assert reproduce(tmp_path, "--resume", "--quick") == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert re.search(message, said) and said.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"times": None},
        {"claims": [{}]},
        {"claims": None},
        {"claims": [{"name": "made", "standing": "AGREES", "lines": None}]},
        {"claims": [{"name": "made", "standing": "GOOD", "lines": [], "decisive": 0}]},
        {"quick": "yes"},
    ],
)
def test_a_run_that_is_damaged_is_not_gone_on_with(change, tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result())
    assert reproduce(tmp_path, "--quick") == cli.AGREES
    (tmp_path / "results.json").write_text(json.dumps({**document(tmp_path), **change}))
    capsys.readouterr()
    assert reproduce(tmp_path, "--resume") == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("dynsim: --resume: ") and said.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"claims": []}', '{"claims": 3, "asked": null}'])
def test_a_file_that_is_no_run_is_not_gone_on_with(text, tmp_path, capsys):
    (tmp_path / "results.json").write_text(text)
    assert reproduce(tmp_path, "--resume") == cli.BAD_INPUT
    assert "results.json is not of this version of dynsim" in capsys.readouterr().err


def test_nothing_to_go_on_from(tmp_path, capsys):
    assert reproduce(tmp_path, "--resume") == cli.BAD_INPUT
    path = tmp_path / "results.json"
    assert capsys.readouterr().err == f"dynsim: --resume: nothing to go on from, {path} does not exist\n"


@pytest.mark.parametrize("pair", [("--quick", "--full"), ("--resume", "--only")])
def test_some_options_exclude_each_other(pair, tmp_path, capsys):
    more = ("gan",) if "--only" in pair else ()
    assert reproduce(tmp_path, *pair, *more) == cli.BAD_INPUT
    assert capsys.readouterr().err == f"dynsim: {pair[0]} and {pair[1]} must not both be given\n"


@pytest.mark.parametrize("name", ["", "gam"])
def test_an_unknown_claim_is_named(name, tmp_path, capsys):
    assert reproduce(tmp_path / "out", "--only", name) == cli.BAD_INPUT
    assert f"; got {name!r}\n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_number_of_processes_below_none_is_refused(tmp_path, capsys):
    assert cli.main(["reproduce", "--out", str(tmp_path), "--workers", "-1"]) == cli.BAD_INPUT
    assert capsys.readouterr().err == "dynsim: workers must be an integer of at least 0, got -1\n"


# ---- processes ---------------------------------------------------------------------------------------------


def command(out, *options):
    return [sys.executable, "-m", "dynsim", "reproduce", "--quick", "--out", str(out), *options]


def test_killed_half_way_and_resumed(tmp_path):
    """With SIGKILL: the processes it has started end, and the results are the same to the last bit."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    only = ("--only", *ASKED, "--workers", "2")
    with subprocess.Popen(command(killed, *only), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        path = killed / "results.json"
        while process.poll() is None and not (path.exists() and document(killed)["claims"]):
            time.sleep(0.01)
        process.kill()
        # Those that it has started hold the other end of the pipe: it is at its end when they have ended.
        process.stderr.read()
    kept = [claim["name"] for claim in document(killed)["claims"]]
    assert process.returncode == -signal.SIGKILL and 0 < len(kept) < len(ASKED)
    assert not list(killed.glob("*.part")) or not list(killed.glob("*.json.part"))
    resumed = subprocess.run(command(killed, "--resume"), capture_output=True, text=True, check=True)
    assert f"{len(kept)} of {len(ASKED)} claims are kept" in resumed.stderr
    subprocess.run(command(whole, *only), capture_output=True, check=True)
    found = [document(out) for out in (killed, whole)]
    assert found[0].pop("times").keys() == found[1].pop("times").keys()
    assert json.dumps(found[0]) == json.dumps(found[1])
    for name in ("report.html", *(f"{claim}.{kind}" for claim in ASKED for kind in ("png", "svg"))):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(tmp_path):
    asked = (*ASKED, "corollary_3_3")
    process = subprocess.Popen(
        command(tmp_path, "--only", *asked, "--workers", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # As at a terminal: a group of its own, and Ctrl-C reaches all of it.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        path = tmp_path / "results.json"
        while process.poll() is None and not (path.exists() and document(tmp_path)["claims"]):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == cli.NOT_ALL
    assert said.endswith("dynsim: interrupted; what was finished is kept\n") and "Traceback" not in said
    assert not list(tmp_path.glob("*.part")) and (tmp_path / "report.html").exists()
    assert 0 < len(document(tmp_path)["claims"]) < len(asked)


def dies(task):
    if task == "dies":
        os._exit(7)
    return task


def test_a_process_that_dies_takes_its_own_claim_only(tmp_path):
    tasks = {name: name for name in ("one", "dies", "two", "three")}
    found = dict(workers.side_by_side(dies, tasks, 2, lambda names: None))
    assert isinstance(found.pop("dies"), workers.Ended)
    assert found == {name: name for name in ("one", "two", "three")}


def silent(task):
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("number", [1, 2])
def test_processes_that_are_killed_leave_the_others_a_new_one(number):
    tasks = {name: name for name in ("one", "two", "three")}
    found = dict(workers.side_by_side(silent, tasks, number, lambda names: None))
    assert [type(answer) for answer in found.values()] == [workers.Ended] * 3
    assert "exit code -9" in str(found["one"])


def test_a_process_that_ends_before_it_is_asked_takes_its_own_claim_only():
    ended = []

    def watch(names):
        # The first time all is begun: end whoever works, whatever state it is in.
        if not ended:
            ended.extend(multiprocessing.active_children())
            for process in ended:
                process.kill()

    tasks = {name: name for name in ("one", "two", "three", "four")}
    found = dict(workers.side_by_side(dies, tasks, 2, watch))
    assert sorted(found) == sorted(tasks) and len(ended) == 2
    lost = [name for name, answer in found.items() if isinstance(answer, workers.Ended)]
    assert len(lost) <= 2 and all(found[name] == name for name in tasks if name not in lost)


def test_processes_have_one_thread_and_leave_the_environment_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    found = dict(workers.side_by_side(os.getenv, {name: name for name in names}, 1, lambda names: None))
    assert found == dict.fromkeys(names, "1")
    assert os.environ["OMP_NUM_THREADS"] == "5" and "OPENBLAS_NUM_THREADS" not in os.environ


def test_one_run_at_a_time_in_a_folder(tmp_path, capsys, monkeypatch):
    def again(quick):
        assert reproduce(tmp_path) == cli.BAD_INPUT
        return result("one")

    catalogued(monkeypatch, one=again)
    assert reproduce(tmp_path) == cli.AGREES
    said = capsys.readouterr().err
    assert f"dynsim: --out must be a folder in which no other run is at work, got {tmp_path}\n" in said
    # Afterwards it is free.
    catalogued(monkeypatch, one=lambda quick: result("one"))
    assert reproduce(tmp_path) == cli.AGREES


def test_a_file_system_without_locks_is_no_error_but_a_refused_one_is(tmp_path, monkeypatch):
    def refused(code):
        def flock(*given):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(fcntl, "flock", flock)

    refused(errno.ENOLCK)
    with run.alone(tmp_path):
        pass
    refused(errno.EIO)
    message = r"--out must be a folder that can be written to, got .* \(Input/output error\)"
    with pytest.raises(OSError, match=message), run.alone(tmp_path):
        pass


def test_changed_code_is_another_run(tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, made=lambda quick: result())
    assert reproduce(tmp_path) == cli.AGREES
    monkeypatch.setattr(run, "_code", lambda: "another")
    assert reproduce(tmp_path, "--resume") == cli.BAD_INPUT
    assert "'code': 'another'" in capsys.readouterr().err


# ---- no room -----------------------------------------------------------------------------------------------


def test_a_folder_that_is_none(tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("mine")
    for out in (path, path / "below", Path("/proc/dynsim")):
        assert reproduce(out, "--only", "lemma_3_1") == cli.BAD_INPUT
        said = capsys.readouterr().err
        assert said.startswith(f"dynsim: --out must be a folder that can be written to, got {out} (")
        assert said.count("\n") == 1
    assert path.read_text() == "mine"


def limited(size):
    """No file may grow beyond `size`: to the program as if the disk were full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("number", ["0", "2"])
def test_no_room_for_a_figure(number, tmp_path):
    only = ("--only", "lemma_3_1", "theorem_3_2", "--workers", number)
    ended = subprocess.run(
        command(tmp_path, *only), capture_output=True, text=True, preexec_fn=limited(20_000), check=False
    )
    assert ended.returncode == cli.BAD_INPUT
    last = ended.stderr.splitlines()[-1]
    assert re.fullmatch(r"dynsim: \[Errno 27\] File too large: '.*_3_[12]\.png'", last)
    assert "Traceback" not in ended.stderr
    assert document(tmp_path)["claims"] == [] and not list(tmp_path.glob("*.part"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results.json"
    files.whole(path, "old")
    code = f"from pathlib import Path; from dynsim import files; files.whole(Path({str(path)!r}), 'x' * 30_000)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=limited(20_000),
        cwd=ROOT,
        check=False,
    )
    assert ended.stderr.endswith(f"OSError: [Errno 27] File too large: '{path}'\n")
    assert listing(tmp_path) == ["results.json"] and path.read_text() == "old"


def test_an_error_in_writing_ends_the_run_and_keeps_what_was_kept(tmp_path, capsys, monkeypatch):
    catalogued(monkeypatch, **{name: made(name, []) for name in ("one", "two")})
    right = files.whole

    def full(path, content):
        if path.name.startswith("two"):
            raise OSError(28, "No space left on device", str(path))
        right(path, content)

    monkeypatch.setattr(run.files, "whole", full)
    assert reproduce(tmp_path) == cli.BAD_INPUT
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"No space left on device: '{tmp_path / 'two.png'}'")
    assert [claim["name"] for claim in document(tmp_path)["claims"]] == ["one"]
