"""Federated averaging with a server: device 0, which has no data (star.py).

Those chosen train the fused loss and send to the server, which takes the mean of what arrived,
weighted by sample counts; then it sends, and who receives takes its model.
Source: McMahan et al., AISTATS 2017.
"""

from __future__ import annotations

from learning.method import Method
from learning.methods.local import begin
from learning.methods.names import METHODS

METHOD = Method(begin, topology="star", options=METHODS["fedavg_star"])
