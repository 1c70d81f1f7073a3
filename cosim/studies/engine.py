"""Carries a study out: what is missing of it, by any executor of concurrent.futures."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from importlib import import_module

from tqdm import tqdm

from cosim.errors import ConfigError, OutputError
from cosim.failures import FAILED, FINISHED, UNDER_WAY
from cosim.files import one_line
from cosim.records.code_version import code_version
from cosim.studies import attempt as attempts
from cosim.studies.folder import StudyFolder

WANTED = ("missing", "cut")


def left_to_do(folder: StudyFolder, retry_failed: bool, mixed_code: bool = False) -> list[str]:
    """Return the runs that are missing or cut short, and with retry_failed those that failed.

    Raises OutputError where any are, and finished ones are of another version of the code than
    would run now, unless mixed_code.
    """
    table = folder.expected()
    wanted = (*WANTED, "failed") if retry_failed else WANTED
    standing = list(zip(table["case"].map(str), folder.statuses(table), strict=True))
    names = [name for name, status in standing if status.state in wanted]
    now = code_version()
    other = [name for name, status in standing if status.code_version not in ("", now)]
    if names and other and not mixed_code:
        raise OutputError(
            f"sweep: expected finished runs of this version of the code, got {len(other)} of"
            f" another ({other[0]}); move them away, put the code back, or give --mixed-code"
        )
    return names


def find_executor(where: str | None, jobs: int) -> Callable[[], Executor]:
    """Return what makes the executor: local processes, or the user's factory `module:name`.

    A factory may take the number of jobs. Raises ConfigError where there is none.
    """
    if where is None:
        return lambda: ThreadPoolExecutor(jobs)  # each thread waits for the process of a run
    module, _, name = where.partition(":")
    try:
        factory = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"--executor: expected MODULE:FACTORY that can be imported, got {where} ({error})"
        ) from None
    takes = len(inspect.signature(factory).parameters) > 0
    return lambda: factory(jobs) if takes else factory()


def carry_out(
    folder: StudyFolder,
    names: Sequence[str],
    make_executor: Callable[[], Executor],
    flags: Sequence[str] = (),
) -> dict[str, int]:
    """Attempt these runs; return the exit code of each. An interrupt ends those under way."""
    codes: dict[str, int] = {}
    with ExitStack() as stack:
        executor = make_executor()
        stack.callback(executor.shutdown, wait=True)
        futures: dict[Future[int], str] = {
            executor.submit(attempts.attempt, str(folder.root.resolve()), name, tuple(flags)): name
            for name in names
        }
        bar = stack.enter_context(tqdm(total=len(names), unit="run", disable=None))
        try:
            for number, future in enumerate(as_completed(futures), 1):
                name = futures[future]
                try:
                    codes[name] = future.result()
                except Exception as error:  # of the executor, or a log that cannot be written
                    codes[name] = FAILED
                    bar.write(f"{name}: {one_line(f'{type(error).__name__}: {error}')}")
                bar.update()
                if bar.disable:  # nobody looks on
                    print(f"{number} of {len(names)}: {name}", file=sys.stderr)
                if codes[name] not in (FINISHED, UNDER_WAY):
                    bar.write(f"{name}: exit code {codes[name]}, see {folder.log(name)}")
        except BaseException:
            for each in futures:
                each.cancel()
            attempts.stop()
            raise
    return codes
