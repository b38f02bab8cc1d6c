"""structlog without rich, which its console renderer imports wherever it is installed: half the time."""

import sys
from types import ModuleType


def structlog() -> ModuleType:
    """The library; on first use imported as if rich were not installed, and rich left as it was."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        import structlog as imported

        return imported
    # None makes an import fail, which structlog takes for "not installed".
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog as imported
    finally:
        del sys.modules["rich"]
    return imported
