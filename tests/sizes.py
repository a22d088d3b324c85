"""How much the tests of races and faults do: a small size in every run, the full one by `make faults`."""

import os

FULL = os.environ.get("HANDOFF_TEST_SIZES") == "full"


def choose_size(small: int, full: int) -> int:
    """`small` in the suite; `full` where HANDOFF_TEST_SIZES=full asks for it."""
    return full if FULL else small
