"""Ask each device's policy: what it is shown, and what its answer comes to."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cosim.bridge import shared
from cosim.config.model import RunConfig
from cosim.config.section import bounds
from cosim.errors import ConfigError
from cosim.feedback import Decided, Feedback
from cosim.plan_round import Work
from cosim.planning.budget import Cost
from cosim.policies.catalogue import DEFAULT, POLICIES, find_policy
from cosim.policies.policy import Decision, Policy, View
from cosim.seeds import stream
from learning.errors import LearningError
from learning.messages import Payload
from learning.own_file import run_own
from learning.side import LearningSide
from ns3_scenarios.arrays import BoolArray, FloatArray, IntArray
from ns3_scenarios.catalogue import kind_of
from ns3_scenarios.description.energy import Draws
from ns3_scenarios.description.network_kind import NETWORK_KINDS
from ns3_scenarios.description.radio import Radio
from ns3_scenarios.description.transport import TRANSPORTS
from ns3_scenarios.traffic import Transmit

Memory = list[dict[str, Any]]
LEAST_DBM = float(bounds(Radio.model_fields["tx_power_dbm"])[0])
STORED = "numbers, text, lists and dicts"


@dataclass(frozen=True)
class Asker:
    """Whoever asks the policy of a run, round by round; memory: what devices keep for it."""

    config: RunConfig
    draws: Draws
    work: Work
    learner: LearningSide
    policy: Policy
    memory: Memory = field(default_factory=list)

    def remembered(self) -> Memory:
        """Copy what devices keep, as it is after the last round that was asked for."""
        return copy.deepcopy(self.memory)

    def ask(
        self,
        round_index: int,
        feedback: Feedback,
        payload: Payload,
        trains: BoolArray,
        sends: BoolArray,
    ) -> Decided | None:
        """Return what all devices decided, none under the default policy.

        The dead decide nothing, nor does who neither trains nor sends (n) in the round. Raises
        ConfigError, in one line, for an answer that cannot be meant.
        """
        if self.policy is POLICIES[DEFAULT]:
            return None
        n, (_, m) = len(payload.part_bytes), self.learner.available.shape
        speed = self.learner.speed(self.config.iteration.speed_metric)
        contribution = self.learner.contribution()
        goes = shared(payload)
        power_dbm = feedback.last.usual_dbm.copy()
        iterations = np.full((n, m), -1, dtype=np.int64)
        asleep, codecs = np.zeros(n, dtype=np.bool_), [*(payload.codecs or ())]
        for device in np.flatnonzero(feedback.alive & (trains | sends)):
            shown = view_of(self, int(device), round_index, feedback, payload, speed, contribution)
            if not sends[device]:
                shown.wanted[:] = False
            decision = self._decide(shown)
            if decision.sends is not None:
                goes[device, shown.neighbours] &= decision.sends
            if decision.tx_power_dbm is not None:
                power_dbm[device] = decision.tx_power_dbm
            if decision.iterations is not None and trains[device]:
                iterations[device] = decision.iterations
            asleep[device] = decision.sleeps
            codecs[device] = str(decision.codec or codecs[device])
        return Decided(
            sends=goes & ~asleep[:, None, None],
            transmit=Transmit(power_dbm, self.draws.transmit_w(power_dbm)),
            iterations=iterations,
            asleep=asleep,
            codecs=tuple(codecs),
        )

    def _decide(self, shown: View) -> Decision:
        name = self.config.policy
        where = f"policy {name}, decide, round {shown.round}, device {shown.device}"
        try:
            decision = run_own(name, where, self.policy.decide, shown)
        except LearningError as error:
            raise ConfigError(str(error)) from None
        for what, expected, got in faults(decision, shown):
            raise ConfigError(f"{where}: expected {what} {expected}, got {got}")
        odd = not_to_be_stored(shown.memory)
        if odd is not None:
            raise ConfigError(f"{where}: expected memory of {STORED}, got {odd}")
        return decision


def make_asker(
    config: RunConfig,
    draws: Draws,
    work: Work,
    learner: LearningSide,
    memory: Memory | None = None,
    policy: Policy | None = None,
) -> Asker:
    """Return who asks the policy of a run, or another one; memory: to go on with."""
    asked = policy or find_policy(config.policy, config.policy_options)
    kept = memory or [{} for _ in range(config.network.num_devices)]
    return Asker(config, draws, work, learner, asked, kept)


def view_of(
    asker: Asker,
    device: int,
    round_index: int,
    feedback: Feedback,
    payload: Payload,
    speed: FloatArray,
    contribution: FloatArray,
) -> View:
    """Build all that a device is shown: of itself, and what packets told it of its neighbours."""
    config, last, cost = asker.config, feedback.last, feedback.last.cost
    others = np.flatnonzero(feedback.neighbourhood.believed[device])
    return View(
        device=device,
        round=round_index + 1,
        rounds=config.learning.rounds,
        remaining_energy_j=float(feedback.remaining_energy_j[device]),
        radio_j=float(last.communication_j[device]),
        parts=payload.parts,
        part_bytes=payload.part_bytes[device].copy(),
        available=asker.learner.available[device].copy(),
        speed=speed[device].copy(),
        contribution=contribution[device].copy(),
        tx_power_dbm=float(last.tx_power_dbm[device]),
        least_dbm=LEAST_DBM,
        most_dbm=float(last.usual_dbm[device]),
        may_sleep=may_sleep(config),
        may_choose=TRANSPORTS[config.network.transport].is_answered,
        max_iterations=config.iteration.max_iterations,
        work_j=_of_device(asker.work.joules, device),
        work_s=_of_device(asker.work.seconds, device),
        compute_limit_s=config.iteration.compute_share * config.network.round_period_s,
        codecs=(*asker.learner.part_bytes,),
        codec_bytes=np.stack([part[device] for part in asker.learner.part_bytes.values()]),
        neighbours=others,
        wanted=payload.message_bytes[device, others] > 0,
        sender_j_per_byte=cost.sender_j_per_byte[device, others],
        acked_share=cost.acked_share[device, others],
        rate_bps=last.rate_bps[device, others],
        receiver_j_per_byte=cost.receiver_j_per_byte[others, device],
        age_rounds=cost.age_rounds[device, others],
        path_snr_db=last.path_snr_db[others, device],
        rng=stream(config.seed, f"policy, round {round_index}, device {device}"),
        memory=asker.memory[device],
        options=dict(asker.policy.options),
    )


def _of_device(cost: Cost, device: int) -> Cost:
    """Copy what training takes of one device, (1, m) and (1)."""
    return Cost(*(part[[device]] for part in (cost.per_iteration, cost.per_step, cost.per_round)))


def may_sleep(config: RunConfig) -> bool:
    """Tell whether radios can sleep through a round: in ad hoc networks of packets.

    The oracle's rounds end when all is settled, and nobody could say when to wake up.
    """
    kind, network = kind_of(config.scenario), config.network
    is_ad_hoc = kind is not None and kind.is_ad_hoc
    return is_ad_hoc and network.sync != "oracle" and NETWORK_KINDS[network.kind].has_packets


def faults(decision: Any, shown: View) -> list[tuple[str, str, str]]:
    """Say what of an answer cannot be meant: what, what was expected, what came."""
    if not isinstance(decision, Decision):
        return [("a Decision", "of cosim.policies.policy", type(decision).__name__)]
    found = []
    sends, power_dbm, tau = decision.sends, decision.tx_power_dbm, decision.iterations
    if sends is not None:
        if getattr(sends, "shape", None) != shown.wanted.shape or sends.dtype != np.bool_:
            got = f"shape {getattr(sends, 'shape', None)} of {getattr(sends, 'dtype', type(sends))}"
            found.append(("sends", f"(k, p) = {shown.wanted.shape} of bool", got))
        elif not shown.may_choose:
            found.append(("sends", "none with a transport that nobody answers", "a choice"))
        elif np.any(sends & ~shown.wanted):
            k, p = np.argwhere(sends & ~shown.wanted)[0]
            part, other = shown.parts[p], shown.neighbours[k]
            found.append(("sends", "only parts that are wanted", f"{part} to device {other}"))
    if power_dbm is not None:
        is_number = isinstance(power_dbm, int | float | np.floating)
        if not (is_number and shown.least_dbm <= power_dbm <= shown.most_dbm):
            expected = f"from {shown.least_dbm:g} to {shown.most_dbm:g} dBm"
            found.append(("tx_power_dbm", expected, str(power_dbm)))
    is_codec = isinstance(decision.codec, str) and decision.codec in shown.codecs
    if decision.codec is not None and not is_codec:
        found.append(("codec", f"one of {', '.join(shown.codecs)}", str(decision.codec)))
    if tau is not None:
        found += _faults_of_iterations(np.asarray(tau), shown)
    if decision.sleeps and not shown.may_sleep:
        found.append(("sleeps", "false in this network (ad hoc networks of ns-3 can)", "true"))
    return found


def not_to_be_stored(value: Any) -> str | None:
    """Say what of a memory a run could not store, none if it could store all."""
    if isinstance(value, dict):
        keys = [f"key {key!r}" for key in value if type(key) not in (str, int)]
        inner = (not_to_be_stored(each) for each in value.values())
        return next((odd for odd in (*keys, *inner) if odd), None)
    if isinstance(value, list | tuple):
        return next((odd for odd in map(not_to_be_stored, value) if odd), None)
    is_plain = value is None or type(value) in (bool, int, float, str)
    return None if is_plain else type(value).__name__


def _faults_of_iterations(tau: IntArray, shown: View) -> list[tuple[str, str, str]]:
    if tau.shape != shown.available.shape or not np.issubdtype(tau.dtype, np.integer):
        expected = f"(m,) = {shown.available.shape} whole numbers"
        return [("iterations", expected, f"shape {tau.shape} of {tau.dtype}")]
    if np.any((tau < 0) | (tau > shown.max_iterations)):
        return [("iterations", f"from 0 to {shown.max_iterations}", str(tau.tolist()))]
    if np.any(tau[~shown.available]):
        return [("iterations", "0 of modalities that it has not", str(tau.tolist()))]
    return []
