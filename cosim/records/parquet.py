"""Tables read back."""

import io
from pathlib import Path

import pandas as pd


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file, whatever bytes its name has."""
    return pd.read_parquet(io.BytesIO(path.read_bytes()))
