"""What a policy is: asked by each device before each round, it decides by what that device knows.

A file of one's own has a POLICY (example: cosim/examples/own_policy.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cosim.planning.budget import Cost
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class View:
    """What one device knows when a round begins; k neighbours, p parts of its model, m modalities.

    Of itself: device; round, of rounds, from 1; remaining_energy_j; radio_j, what its radio drew in
    the round before [J]; parts by name, part_bytes (p), 0 where it lacks one, the longest where
    they differ by receiver (no learning); available (m), speed (m) and contribution (m) of its
    modalities, as the iteration optimizer knows them; tx_power_dbm, what it sent with in the round
    before, and the least and most that its radio can; may_sleep;
    may_choose: whether the transport lets it choose to whom it sends; max_iterations; codecs (c) by
    which it may send, and codec_bytes (c, p) of its parts by each; part_bytes is by the configured;
    work_j [J] and work_s [s], what iterations tau (m) take of it: work_j.of(tau[np.newaxis])[0];
    compute_limit_s, after which its messages would be late. `optimizer.best_iterations` has the
    iteration optimizer.

    Of the neighbours that it takes for alive, neighbours (k): wanted (k, p), parts that both have,
    nothing in a round in which it has no turn to send; sender_j_per_byte, what a byte handed over
    to them costs here, acked_share, of these known to have arrived, rate_bps of the frames,
    receiver_j_per_byte, what a byte from them costs here, all (k), nan where never measured;
    age_rounds of the costs of sending; path_snr_db, at which it would hear them at their usual
    power (frames say theirs), nan where it heard nothing in the last round. With late_weight a rest
    may go in place of a new message. See cosim/planning/costs.py.

    rng: new each round, of this device alone. memory: the device's own, kept from round to round:
    numbers, text, lists and dicts. options: as the configuration has them.
    """

    device: int
    round: int
    rounds: int
    remaining_energy_j: float
    radio_j: float
    parts: tuple[str, ...]
    part_bytes: IntArray
    available: BoolArray
    speed: FloatArray
    contribution: FloatArray
    tx_power_dbm: float
    least_dbm: float
    most_dbm: float
    may_sleep: bool
    may_choose: bool
    max_iterations: int
    codecs: tuple[str, ...]
    codec_bytes: IntArray
    work_j: Cost
    work_s: Cost
    compute_limit_s: float
    neighbours: IntArray
    wanted: BoolArray
    sender_j_per_byte: FloatArray
    acked_share: FloatArray
    rate_bps: FloatArray
    receiver_j_per_byte: FloatArray
    age_rounds: IntArray
    path_snr_db: FloatArray
    rng: np.random.Generator
    memory: dict[str, Any]
    options: dict[str, float]


@dataclass(frozen=True)
class Decision:
    """What a device does in the round; by default what it would do without a policy.

    sends (k, p): which parts go to which neighbour, of those that it wants. tx_power_dbm: from
    View.least_dbm to most_dbm. iterations (m): of each modality, whatever that costs; none: the
    iteration optimizer decides, which sees what is decided here. sleeps: its radio is off the air
    for the round, and it sends nothing; only where View.may_sleep. codec: one of View.codecs, by
    which all that it sends is written; sums of the generator and of scales are float32 in any case.
    """

    sends: BoolArray | None = None
    tx_power_dbm: float | None = None
    iterations: IntArray | None = None
    sleeps: bool = False
    codec: str | None = None


@dataclass(frozen=True)
class Policy:
    """decide(view) gives a Decision; text: one sentence for the help; options: name -> default.

    limits: option -> least and most; chooses: it chooses neighbours; sets_power, sets_codec: it
    sets powers, codecs.
    """

    decide: Callable[[View], Decision]
    text: str
    options: dict[str, float] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    chooses: bool = False
    sets_power: bool = False
    sets_codec: bool = False
