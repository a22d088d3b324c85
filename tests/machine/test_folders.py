"""Folders of the embedded servers: what a home of an older version says."""

from pathlib import Path

import pytest

from sandbox.machine import folders
from sandbox.machine.children import MachineError


def test_a_new_home_gets_its_layout_and_keeps_it(tmp_path: Path):
    home = tmp_path / "demo"
    folders.check_layout(home, "2")
    (home / "postgres").mkdir()
    folders.check_layout(home, "2")
    assert (home / "layout").read_text() == "2\n"


def test_servers_started_by_hand_leave_a_home_that_the_demo_continues(tmp_path: Path):
    folders.note_layout(tmp_path, "2")
    (tmp_path / "postgres").mkdir()
    folders.check_layout(tmp_path, "2")


@pytest.mark.parametrize("data", ["postgres", "secret-key"])
@pytest.mark.parametrize("noted", [None, "1"], ids=["before layouts were noted", "another layout"])
def test_data_of_an_older_version_are_refused_in_one_line(tmp_path: Path, noted: str | None, data: str):
    (tmp_path / data).mkdir()
    if noted:
        (tmp_path / "layout").write_text(noted)
    with pytest.raises(
        MachineError, match=r"holds data of an older version, which cannot be used any more: make demo-reset$"
    ):
        folders.check_layout(tmp_path, "2")
    folders.note_layout(tmp_path, "2")
    with pytest.raises(MachineError):
        folders.check_layout(tmp_path, "2")
    assert (tmp_path / data).exists()  # nothing is thrown away unasked
