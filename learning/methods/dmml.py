"""Decentralised multi-modal learning: D-PSGD on the fused loss, with several local steps.

Source: Lian et al., NeurIPS 2017; encoders are mixed among the devices that have the modality.
"""

from __future__ import annotations

from learning.method import Method
from learning.methods.local import begin

METHOD = Method(begin)
