"""How a process ended, in words."""

import signal

FATAL = "Fatal Python error: "
"""How the interpreter begins when it has to give up; stacks and lists of modules follow."""


def ending(exit_code: int) -> str:
    """``ended with 70``, ``was killed by signal 9 (SIGKILL)``: as ``Child.exit_code`` has it."""
    if exit_code >= 0:
        return f"ended with {exit_code}"
    return f"was killed by signal {-exit_code} ({_name(-exit_code)})"


def telling_line(last_words: str) -> str:
    """The line that says why: the interpreter's own, else the last one. Empty: nothing was said."""
    lines = [line.strip() for line in last_words.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(FATAL)), lines[-1] if lines else "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "one of the real-time signals"
