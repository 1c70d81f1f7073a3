"""DMML on one modality only, learning.only_modality: what the other ones are worth.

Devices without it take no part.
"""

from __future__ import annotations

from learning.method import Method
from learning.methods.local import begin

METHOD = Method(begin, uses_one_modality=True)
