"""All data in one place: the upper bound, without radio.

Device 0 stands for the data centre; it holds every recording and draws a batch as large as those
of all devices together. The others hold nothing.
"""

from __future__ import annotations

from learning.method import Method
from learning.methods.local import begin

METHOD = Method(begin, shares_model=False, topology="pooled")
