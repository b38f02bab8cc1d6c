"""How a process ended, in words."""

import pytest

from probe.rehearsal.last_words import ending, telling_line

CRASHED = """
a warning
Fatal Python error: Segmentation fault

Thread 0x00007f (most recent call first):
  File "x.py", line 1 in <module>

Extension modules: charset_normalizer.md, _cffi_backend (total: 2)
"""


@pytest.mark.parametrize(
    ("exit_code", "said"),
    [
        (70, "ended with 70"),
        (-9, "was killed by signal 9 (SIGKILL)"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-40, "was killed by signal 40 (one of the real-time signals)"),
    ],
)
def test_an_exit_code_is_told_in_words(exit_code: int, said: str) -> None:
    assert ending(exit_code) == said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", ""),
        ("Traceback:\n  x\nKeyError: 'y'\n\n", "KeyError: 'y'"),
        (CRASHED, "Fatal Python error: Segmentation fault"),
    ],
)
def test_the_line_that_says_why_is_found(words: str, line: str) -> None:
    assert telling_line(words) == line
