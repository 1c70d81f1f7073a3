"""Which arithmetic a process computes in: portable (the same bits on all processors) or fast.

What decides it is read once, when the numerical libraries load: so `load_portable` comes before
they are imported, and `ensure`, which knows the configuration, starts a program of ours again where
it asks for the other. Portable holds on x86-64 with AVX2 and FMA, for the same versions of the
libraries:

    MKL_CBWR=COMPATIBLE        MKL's products and functions, the same for every vendor
    ATEN_CPU_CAPABILITY=avx2   PyTorch's own loops, vectors of eight
    NPY_DISABLE_CPU_FEATURES   NumPy without AVX-512, whose exp, log and sin are others
    OPENBLAS_CORETYPE=Haswell  NumPy's products, in one thread, and so those of the encoders

and without oneDNN and NNPACK, which choose their kernels by the processor and its caches. Left out:
MKL's square root, which the first does not reach (learning/root.py).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from cosim.errors import ConfigError

ARITHMETICS = ("portable", "fast")
NEEDED_FLAGS = ("avx2", "fma")
# Names the arithmetic that a process started itself again for, and this process.
_CHOICE = "DMML_COSIM_ARITHMETIC"
_MKL_COMPATIBLE = 3  # MKL_CBWR_COMPATIBLE of mkl_types.h
_MKL_ALL = -1
_WIDE = ("X86_V4", "AVX512")

# The environment as the user gave it; empty where the libraries loaded before `load_portable`.
_given: dict[str, str] = {}
# The process that may be started again: a program of ours, not one that imports this package.
_program: set[int] = set()


def load_portable() -> None:
    """Have the libraries load for portable arithmetic, unless this process asked for fast.

    To be called before anything imports NumPy or PyTorch; a processor that cannot is left alone.
    """
    _given.update(os.environ)
    if _loads() == "portable":
        os.environ.update(_portable_environment())


def is_loaded() -> bool:
    """Tell whether a library that reads its arithmetic when it loads is there."""
    return "numpy" in sys.modules or "torch" in sys.modules


def may_start_again() -> None:
    """Say that this process is a program of ours: `ensure` can start its command once more."""
    _program.add(os.getpid())


def ensure(wanted: str) -> None:
    """Go on in the arithmetic wanted, or start the program again in it.

    Whoever else runs a configuration gets what is loaded; `remarks` and the manifest say so.
    Raises ConfigError where portable cannot be.
    """
    if os.getpid() not in _program:
        if _given and wanted == "portable":
            _without_tuned_kernels()
        return
    what = "learning.arithmetic portable"
    remedy = "use --learning.arithmetic fast, whose bits are this processor's own"
    if wanted == "portable" and lacks():
        got = f"a {platform.machine()} processor without {' and '.join(lacks())}"
        raise ConfigError(f"{what}: expected x86-64 with AVX2 and FMA, got {got}; {remedy}")
    if _loads() != wanted:
        _start_again(wanted)
    if wanted == "portable":
        _without_tuned_kernels()
        if in_use() != wanted:
            odd = ", ".join(_not_portable())
            raise ConfigError(f"{what}: expected libraries that follow it, got {odd}; {remedy}")


def remarks(wanted: str) -> list[str]:
    """Say where a library call computes otherwise than wanted, and why."""
    if os.getpid() in _program:  # which `ensure` has started again, or refused
        return []
    if wanted == "fast":
        if not _given or _loads() == "fast":
            return []
        why = "cosim was imported first; to choose fast, import NumPy and PyTorch before it"
        return [f"learning.arithmetic fast: the libraries were loaded for portable ({why})"]
    if in_use() == "portable":
        return []
    why = "NumPy or PyTorch were imported before cosim"
    if lacks():
        why = f"this processor lacks {' and '.join(lacks())}"
    elif _given:
        why = f"{', '.join(_not_portable())}"
    return [f"learning.arithmetic portable: this process computes in fast ({why})"]


def in_use() -> str:
    """Name the arithmetic that this process really computes in, by asking the libraries."""
    return "fast" if lacks() or _not_portable() else "portable"


def lacks(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Name what a processor lacks for portable arithmetic."""
    if platform.machine() != "x86_64":
        return ["the instructions of x86-64"]
    for line in cpuinfo.read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            flags = line.split()
            return [flag.upper() for flag in NEEDED_FLAGS if flag not in flags]
    return [flag.upper() for flag in NEEDED_FLAGS]


def _portable_environment() -> dict[str, str]:
    wide = "X86_V4 AVX512_ICL AVX512_SPR"
    if tuple(int(part) for part in metadata.version("numpy").split(".")[:2]) < (2, 4):
        wide = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
    return {
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "avx2",
        "NPY_DISABLE_CPU_FEATURES": wide,
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _loads() -> str:
    """Name the arithmetic for which this process lets the libraries load."""
    return "fast" if _asked_for() == "fast" or lacks() else "portable"


def _asked_for() -> str | None:
    """Return what this process started itself again for, if it did; children are others."""
    choice, _, process = os.environ.get(_CHOICE, "").partition(":")
    return choice if process == str(os.getpid()) else None


def _start_again(wanted: str) -> None:
    """Replace this process by the same command, which will load the arithmetic wanted."""
    if _asked_for() is not None:
        raise ConfigError(
            f"learning.arithmetic: expected {_asked_for()} as when the configuration was first"
            f" read, got {wanted}; give a file that can be read twice"
        )
    # One thread, as for PyTorch: a run has its own (cosim/cores.py).
    own = {"OPENBLAS_NUM_THREADS": "1", _CHOICE: f"{wanted}:{os.getpid()}"}
    environment = {**(_given or os.environ), **own}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _without_tuned_kernels() -> None:
    import torch

    torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]
    torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]


def _not_portable() -> list[str]:
    """Name each library that does not compute portably as it is loaded."""
    import numpy as np
    import torch

    odd = []
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        odd.append(f"PyTorch with {torch.backends.cpu.get_cpu_capability()}")
    if _mkl_branch() != _MKL_COMPATIBLE:
        odd.append(f"MKL in mode {_mkl_branch()}")
    if torch.backends.mkldnn.enabled:
        odd.append("PyTorch with oneDNN")
    functions = np.lib.introspect.opt_func_info()
    targets = {str(each["current"]) for kinds in functions.values() for each in kinds.values()}
    odd += [f"NumPy with {target}" for target in sorted(targets) if target.startswith(_WIDE)]
    return odd


def _mkl_branch() -> int | None:
    """Ask MKL for its mode (conditional numerical reproducibility); None where there is no MKL."""
    import torch

    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        return int(ctypes.CDLL(str(library)).mkl_serv_cbwr_get(_MKL_ALL))
    except (OSError, AttributeError):
        return None
