"""Reads the user's CSV files."""

from pathlib import Path

import pandas as pd

from ns3_scenarios.errors import ScenarioError


def read_csv(path: Path, field: str) -> pd.DataFrame:
    """Read the CSV file that a field of the configuration names.

    Raises ScenarioError, with the field, where there is none that can be read.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(
            f"{field}: expected a readable CSV file, got {path} ({error})"
        ) from None
