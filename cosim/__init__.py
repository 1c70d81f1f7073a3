"""Co-simulation of decentralised multi-modal learning and the radio network under it.

    import cosim
    config = cosim.configure("mesh80211", {"learning.rounds": 10})
    run = cosim.run(config, "results/mine")
    run.rounds.plot("round", "accuracy_mean")

Imported before NumPy and PyTorch, so that they load for the same bits on every processor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cosim import arithmetic

if TYPE_CHECKING:
    from cosim.config.sources import configure
    from cosim.library import Run, open_run, resume, run

# Loaded on demand: they bring PyTorch.
_HOMES = {"configure": "cosim.config.sources"} | dict.fromkeys(
    ("Run", "open_run", "resume", "run"), "cosim.library"
)
__all__ = ["Run", "configure", "open_run", "resume", "run"]

if not arithmetic.is_loaded():
    arithmetic.load_portable()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
