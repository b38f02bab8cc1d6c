"""The generated parts of README.md: tables from the code itself, and what the demonstrations really print.

``make docs`` writes them anew between their markers, ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from probe.cli import EXIT_CODES, NOT_DONE
from probe.diagnosis.catalogue import CATALOGUE
from probe.model.application import PHASES, PhaseKind
from probe.model.target import Timeouts
from probe.model.words import Stage, Verdict
from probe.options import USAGE
from probe.sandbox.faults import FAULTS
from probe.settings import settings_table
from probe.signals import SIGNALLED
from probe.sinks.catalogue import markdown_table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- begin: (?P<name>[a-z-]+) -->\n(?P<text>.*?)<!-- end: (?P=name) -->\n", re.DOTALL)
DEMO_LIMIT_S = 60.0

STAGES: Mapping[Stage, str] = {
    Stage.ADMIN_API: "an access token, then `connectSettings`: where the instance is, and whom to trust",
    Stage.CERTIFICATE: "`generateEphemeralCert`: the client certificate for the server proxy",
    Stage.DNS: "the endpoint's name to an address; skipped where it is an address already",
    Stage.TCP: "the connection; on the `socket` path the one to the Unix socket",
    Stage.TLS: "the handshake, with the client certificate on the `connector` path",
    Stage.PROXY: "one SSLRequest inside TLS: makes the server proxy judge the client certificate",
    Stage.LOGIN: "PostgreSQL's start-up and authentication",
    Stage.QUERY: "`SELECT 1`, in autocommit",
}

EXITS: Mapping[int, str] = {
    0: "the verdict is better than `--fail-on`",
    EXIT_CODES[Verdict.DEGRADED]: "degraded",
    USAGE: "usage or configuration: nothing was measured",
    EXIT_CODES[Verdict.DOWN]: "down",
    NOT_DONE: "inconclusive, whatever `--fail-on` says; or the probe itself failed",
    SIGNALLED + 2: "Ctrl-C; what was measured until then is delivered",
    SIGNALLED + 15: "SIGTERM; the same",
}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    lines.insert(1, "|" + "---|" * len(header))
    return "\n".join(lines) + "\n"


def causes() -> str:
    """Every cause that a finding can name."""
    header = ("cause", "category", "layer", "severity", "meaning")
    return table(
        header,
        (
            (f"`{cause}`", entry.category, entry.layer, entry.severity, entry.meaning)
            for cause, entry in CATALOGUE.items()
        ),
    )


def stages() -> str:
    """Every stage with its budget."""
    header = ("stage", "what it does", "budget", "default")
    budgets = Timeouts()
    return table(
        header,
        (
            (f"`{stage}`", STAGES[stage], f"`timeouts.{stage}_s`", f"{getattr(budgets, f'{stage}_s'):g} s")
            for stage in Stage
        ),
    )


DEEDS: Mapping[PhaseKind, str] = {
    PhaseKind.INIT: "settings, environment, identity; no network",
    PhaseKind.DEPENDENCIES: "`startup.secrets` are set; an access token; the Admin API knows the instance",
    PhaseKind.DATABASE: "engine, connect, first query, then the schema check for `startup.required_tables`",
    PhaseKind.CACHE: "Redis: connect, AUTH, PING",
    PhaseKind.SERVICES: "GET each of `startup.services`: 2xx, and a `status` of `healthy` or `ok` if any",
    PhaseKind.WEBSOCKET: "the handshake with `startup.websocket`; a 400, 401, 403 or 426 is an answer too",
    PhaseKind.FINALIZE: "GET `startup.health`",
}


def phases() -> str:
    """The phases of the application's start-up."""
    rows = ((f"`{phase.name}`", f"{phase.budget_s:g} s", DEEDS[phase.does]) for phase in PHASES)
    return table(("phase", "budget", "what the rehearsal does"), rows)


def exit_codes() -> str:
    """What the shell sees."""
    return table(("exit code", "meaning"), ((str(code), text) for code, text in EXITS.items()))


def faults() -> str:
    """What the sandbox can break."""
    header = ("fault", "what is broken", "cause")
    return table(header, ((f"`{name}`", f.description, f"`{f.cause}`") for name, f in FAULTS.items()))


def layers() -> str:
    """The layers as the import rules have them, the upper ones first."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = next(rule["layers"] for rule in rules if rule["type"] == "layers")
    return f"```text\n{' > '.join(named).replace('probe.', '')}\n```\n"


TABLES: Mapping[str, Callable[[], str]] = {
    "causes": causes,
    "exit-codes": exit_codes,
    "faults": faults,
    "layers": layers,
    "phases": phases,
    "metrics": lambda: markdown_table() + "\n",
    "settings": settings_table,
    "stages": stages,
}

DEMOS: Mapping[str, tuple[str, ...]] = {"demo": (), "demo-tls-silent": ("tls-silent",)}
"""Name of the block -> the faults."""


def demo(faults: Sequence[str]) -> str:
    """What ``make demo`` prints, as a console shows it."""
    options = [word for fault in faults for word in ("--fault", fault)]
    done = subprocess.run(
        [sys.executable, "-m", "probe", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        timeout=DEMO_LIMIT_S,
        check=False,
    )
    command = " ".join(["make demo", *(f"FAULT={fault}" for fault in faults)])
    return f"```console\n$ {command}\n{done.stdout}```\n"


def blocks(text: str) -> dict[str, str]:
    """The marked parts of a text, by name."""
    return {found["name"]: found["text"] for found in BLOCK.finditer(text)}


def steady(text: str) -> list[str]:
    """What two runs of a demonstration have in common: its words, without what each run measures anew."""
    text = re.sub(r"\b\d+(\.\d+)? m?s\b", "TIME", re.sub(r"\s+", " ", text))
    text = re.sub(r"(<1|\b\d+) %", "SHARE %", re.sub(r"[█▒=#·]+", "", text))
    text = re.sub(r"\b127(\.\d+){3}(:(?!3307|5432)\d+)?", "ADDRESS", text)
    text = re.sub(r"\brun [0-9a-f]{12}\b", "run ID", text)
    text = re.sub(r"\b(attempt|confirmation) \d+", "attempt N", text)
    return sorted(re.sub(r"[,;()]", "", text).split())


def renewed(text: str) -> str:
    """The text with every marked part as it should be; a demonstration that is still true stays as it is."""

    def fresh(found: re.Match[str]) -> str:
        name, old = found["name"], found["text"]
        new = TABLES[name]() if name in TABLES else demo(DEMOS[name])
        if name in DEMOS and steady(new) == steady(old):
            new = old
        return f"<!-- begin: {name} -->\n{new}<!-- end: {name} -->\n"

    return BLOCK.sub(fresh, text)


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
