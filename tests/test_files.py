"""A file is there whole or not at all, whenever the writer dies; JSON has no NaN."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusqa.files import remove_unfinished, to_json, whole, write_bytes, write_csv, write_json

# Rewrites one file for ever, each time with 2 MB of one letter, as fast as the disk takes it.
WRITER = """
import itertools, sys
from fusqa.files import write_bytes
for letter in itertools.cycle("abcdefg"):
    write_bytes(sys.argv[1], letter.encode() * 2_000_000)
    print(letter, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    """Killed without warning at random moments; of eight deaths some fall into the writing itself."""
    path = tmp_path / "file.bin"
    rng = random.Random(0)
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        writer.stdout.readline()  # it is at work
        time.sleep(rng.uniform(0, 0.03))
        writer.kill()
        writer.communicate()
        data = path.read_bytes()
        assert len(data) == 2_000_000 and data == data[:1] * len(data)
    write_bytes(path, b"again")  # what the dead left behind is in nobody's way
    assert path.read_bytes() == b"again"


def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(tmp_path):
    """A table of patients that only its owner may read is not opened to everybody by writing it again."""
    real, before = tmp_path / "real/table.csv", os.umask(0o022)
    os.umask(before)
    for content in (b"old", b"new"):
        write_bytes(real, content)
        if content == b"old":
            real.chmod(OWN := 0o640 if before == 0o077 else 0o600)  # no file is made so
            (tmp_path / "link.csv").symlink_to(real)
    write_bytes(tmp_path / "link.csv", b"newer")
    assert (tmp_path / "link.csv").is_symlink() and real.read_bytes() == b"newer"
    assert real.stat().st_mode & 0o777 == OWN
    assert [path.name for path in real.parent.iterdir()] == ["table.csv"]


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a device or a pipe; give the name of a file"):
        write_bytes(tmp_path / "pipe", b"text")
    assert (tmp_path / "pipe").is_fifo()


def test_a_writer_killed_before_the_end_leaves_nothing(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from fusqa.files import whole\n"
        "with whole(sys.argv[1]) as part:\n"
        "    part.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "file.csv"
    assert subprocess.run([sys.executable, "-c", program, path]).returncode != 0
    assert not path.exists()
    assert [left.read_bytes() for left in tmp_path.iterdir()] == [b"half"]  # hidden under another name
    assert not list(tmp_path.glob("[!.]*"))


def test_what_the_dead_left_is_removed_and_what_the_living_write_is_not(tmp_path):
    (tmp_path / "deep").mkdir()
    old, new = (tmp_path / f"deep/.part-{name}.csv" for name in ("old", "new"))
    for part in (old, new, tmp_path / "deep/whole.csv"):
        part.write_text("half")
    os.utime(old, (time.time() - 3600,) * 2)
    remove_unfinished(tmp_path, below=False)
    assert old.exists()
    remove_unfinished(tmp_path, older_than_s=60)
    assert not old.exists() and new.exists()
    remove_unfinished(tmp_path)
    assert [left.name for left in (tmp_path / "deep").iterdir()] == ["whole.csv"]
    remove_unfinished(tmp_path / "nowhere")


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole(path) as part:
        part.write_text("new")
        1 / 0  # noqa: B018
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file.txt"]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "file.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_folders_are_made_and_the_ending_kept(tmp_path):
    with whole(tmp_path / "a/b/figure.png") as part:
        assert part.parent == tmp_path / "a/b" and part.suffix == ".png"
        part.write_bytes(b"x")
    assert (tmp_path / "a/b/figure.png").read_bytes() == b"x"


def test_json_is_plain():
    @dataclass
    class Point:
        at: tuple
        where: Path

    value = {
        "nan": np.nan,
        "numpy": np.float32(0.5),
        "inf": [np.inf, -np.inf],
        "array": np.array([[1, 2], [3, 4]], np.uint8),
        "lost": np.array([1.5, np.nan]),
        "true": np.bool_(True),
        "point": Point((1, np.int64(2)), Path("a/b")),
        7: "é",
    }
    text = to_json(value)
    assert "NaN" not in text and "Infinity" not in text and "é" in text
    assert json.loads(text) == {
        "nan": None,
        "numpy": 0.5,
        "inf": [None, None],
        "array": [[1, 2], [3, 4]],
        "lost": [1.5, None],
        "true": True,
        "point": {"at": [1, 2], "where": "a/b"},
        "7": "é",
    }


def test_json_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"a": object()})
    assert os.listdir(tmp_path) == []


def test_tables_keep_every_digit(tmp_path):
    table = pd.DataFrame({"name": ["é", "b,c"], "value": [1 / 3, np.nan]})
    write_csv(tmp_path / "table.csv", table)
    assert (tmp_path / "table.csv").read_bytes().decode() == f'name,value\né,{1 / 3!r}\n"b,c",\n'
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table)
