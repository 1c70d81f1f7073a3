"""Every column of every table of a run: its unit, its meaning, and whose doing it is.

network: what ns-3 (or its stand-in) measured, and what `resume` repeats; learning: what training
and evaluation gave; plan: what the iteration optimizer decided or expected. <...> stands for one
column each: of the radio's states, the data set's modalities, the outcomes of messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ns3_scenarios.description.energy import RADIO_STATES
from ns3_scenarios.reports import OUTCOMES

NETWORK, LEARNING, PLAN, KEY = "network", "learning", "plan", "key"


@dataclass(frozen=True)
class Column:
    """One column, or several that differ in what stands in <...>."""

    name: str
    unit: str
    meaning: str
    doing: str

    @property
    def pattern(self) -> str:
        """A regular expression of the names of these columns."""
        known = {"state": "|".join(RADIO_STATES), "outcome": "|".join(OUTCOMES)}
        parts = re.split(r"<(\w+)>", self.name)
        return "".join(
            f"(?:{known.get(part, '.+')})" if i % 2 else re.escape(part)
            for i, part in enumerate(parts)
        )


_ROUND = Column("round", "", "number of the round, from 1", KEY)
_DEVICE = Column("device", "", "number of the device, from 0", KEY)
_SRC = Column("src", "", "device that sends", KEY)
_DST = Column("dst", "", "device that is sent to", KEY)


def _rows(doing: str, *rows: tuple[str, str, str]) -> list[Column]:
    return [Column(name, unit, meaning, doing) for name, unit, meaning in rows]


COLUMNS: dict[str, list[Column]] = {
    "rounds": [
        _ROUND,
        *_rows(
            NETWORK,
            ("start_s", "s", "when the round began, on the simulation's clock (boot_s comes before)"),
            ("duration_s", "s", "how long it lasted; with network.sync oracle until all was settled"),
        ),
        *_rows(
            LEARNING,
            ("accuracy_mean", "1", "mean over all devices, the dead with their last model"),
            ("accuracy_min", "1", "of the worst of all devices"),
            ("accuracy_max", "1", "of the best of all devices"),
            ("accuracy_alive_mean", "1", "mean over the devices alive when the round began"),
            ("accuracy_alive_min", "1", "of the worst of those alive"),
            ("accuracy_alive_max", "1", "of the best of those alive"),
            ("macro_f1_mean", "1", "mean over all devices of F1, averaged over classes"),
            ("train_loss_mean", "nat", "mean over those alive of their training loss"),
        ),
        *_rows(
            NETWORK,
            ("offered_bytes", "byte", "payload of all messages on offer"),
            ("handed_bytes", "byte", "of these, given to sockets (first transmissions)"),
            ("delivered_bytes", "byte", "of these, arrived before the round ended"),
            ("offered_messages", "", "messages on offer: one a part of the model and receiver"),
            ("<outcome>_messages", "", "messages that ended so (flows: outcome)"),
            ("delay_median_s", "s", "within which half of all messages on offer were whole; inf if not"),
            ("delay_p90_s", "s", "within which 90 % of all messages on offer were whole; inf if not"),
            ("radio_j", "J", "what all radios drew"),
            ("compute_j", "J", "what all devices drew for training"),
            ("board_j", "J", "what all boards drew besides (energy.board_idle_w)"),
            ("alive_devices", "", "devices alive at the end of the round"),
            ("events", "", "events that ns-3 worked off; 0 for other networks"),
        ),
    ],
    "devices": [
        _ROUND,
        _DEVICE,
        *_rows(
            NETWORK,
            ("x_m", "m", "where the device is at the end of the round, along x"),
            ("y_m", "m", "the same, along y"),
            ("z_m", "m", "the same, height of its antenna"),
            ("alive", "", "whether it lives at the end of the round"),
        ),
        *_rows(
            LEARNING,
            ("accuracy", "1", "on the held-out people, with all modalities that it has"),
            ("macro_f1", "1", "F1 averaged over classes, likewise"),
            ("accuracy_<modality>", "1", "with that modality, or subset of modalities (a+b), alone"),
            ("modality_imbalance", "1", "accuracy of its best modality alone minus its worst"),
            ("feature_distance", "", "how far its class means of common features lie from all devices'"),
            ("consensus_distance", "", "how far its model is from the mean of all"),
            ("dead_feature_share", "1", "of its common features, those with one value for all samples"),
            ("train_loss", "nat", "mean over its steps of the round; empty if it did not train"),
            ("samples", "", "training samples that it holds"),
            ("iterations_<modality>", "", "local iterations done"),
            ("parameter_variation_<modality>", "1", "relative change of the encoder per iteration"),
            ("contribution_<modality>", "nat", "what the modality takes off the training loss"),
        ),
        *_rows(
            PLAN,
            ("budget_j", "J", "what it could spend in this round; 0 for the dead"),
            ("predicted_j", "J", "what its plan was to cost, radio and idle board included"),
            ("communication_forecast_j", "J", "of which the radio, as iteration.costs says"),
            ("objective", "", "least weighted iterations over its modalities, which plans maximise"),
            ("optimality_gap", "1", "no plan is better than this one by more than that share"),
            ("binding", "", "what kept the plan from more: energy, time, iterations_max, short, waiting (other"
             " rounds are trained in), no_work, dead; policy: the device chose its iterations itself"),
            ("planned_trainings", "", "rounds from this one on in which the plan trains"),
            ("paid_rounds", "", "rounds from this one on whose radio and board the plan pays, above the reserve"),
            ("overspent_j", "J", "drawn above the budget of the round; empty for who was dead"),
            ("compute_s", "s", "how long it computes before it sends"),
        ),
        *_rows(
            LEARNING,
            ("flop", "FLOP", "floating-point operations of its training"),
            ("codec", "", "by which it sent; sums of the generator and of scales are float32 in any case; none:"
             " without learning"),
        ),
        *_rows(
            NETWORK,
            ("tx_power_dbm", "dBm", "what its policy sent with; empty where all sent as configured"),
            ("asleep", "", "whether its policy let its radio sleep through the round"),
            ("start_energy_j", "J", "battery when the round began"),
            ("<state>_j", "J", "what the radio drew in that state"),
            ("radio_j", "J", "sum over the radio's states"),
            ("compute_j", "J", "what training drew, as far as the battery lasted"),
            ("sending_j", "J", "of radio_j, above idling: for own messages and answers to them"),
            ("receiving_j", "J", "likewise: for messages to it"),
            ("forwarding_j", "J", "likewise: for messages between others, passed on"),
            ("overheard_j", "J", "likewise: receiving messages between others"),
            ("protocol_j", "J", "likewise: frames that carry no message (beacons, peering, paths)"),
            ("cut_off_j", "J", "likewise: receptions that came to no end in the round"),
            ("medium_busy_j", "J", "likewise: finding the medium busy"),
            ("away_j", "J", "likewise: switching, asleep or off; below 0 where that draws less"),
            ("board_j", "J", "what the board drew besides"),
            ("harvested_j", "J", "harvested energy"),
            ("overflow_j", "J", "of which a full battery could not take"),
            ("remaining_energy_j", "J", "battery at the end; some microjoules below 0 for the dead"),
            ("died_at_s", "s", "when it last ran empty, on the simulation's clock; empty if never"),
            ("revived_at_s", "s", "when it last came back; empty if never"),
            ("sent_bytes", "byte", "of its messages, given to sockets (first transmissions)"),
            ("received_bytes", "byte", "of messages to it, arrived before the round ended"),
            ("stale_datagrams", "", "datagrams of earlier rounds that arrived in this one"),
        ),
    ],
    "links": [
        _ROUND,
        Column("src", "", "device that sends; with more than 100 devices only pairs that were near each"
               " other, or of which one sent the other anything", KEY),
        _DST,
        *_rows(
            NETWORK,
            ("rate_bps", "bit/s", "mean PHY rate of the unicast data frames sent; empty if none"),
            ("sinr_db", "dB", "signal over noise and interference, mean over received PPDUs"),
            ("snr_db", "dB", "the link's own, by path loss and shadowing, without fading"),
            ("loss_ratio", "1", "share of frames on the air that the addressee did not receive"),
            ("frames", "", "unicast data frames on the air, sent again ones included"),
            ("airtime_s", "s", "how long their PPDUs took"),
            ("received_bytes", "byte", "MAC bytes received"),
            ("is_peer", "", "whether src's own mesh or association counts dst as a peer"),
            ("next_hop", "", "to whom src would send for dst at the round's end; -1: no path known"),
            ("hops", "", "hops of that path; -1 where it does not arrive"),
            ("contact_s", "s", "how long the two were within network.neighbour_distance_m"),
            ("sender_j", "J", "what messages src -> dst, and answers to them, cost src above an idle radio"),
            ("receiver_j", "J", "the same at dst; what devices in between draw: table forwarding"),
            ("path_airtime_s", "s", "how long the frames of these messages were on the air, over all hops"),
            ("sender_j_per_byte", "J/byte", "sender_j a byte handed over, when last measured"),
            ("receiver_j_per_byte", "J/byte", "receiver_j a byte that arrived, when last measured"),
            ("relay_j_per_byte", "J/byte", "of all devices in between, a byte handed over"),
            ("airtime_s_per_byte", "s/byte", "path_airtime_s a byte handed over"),
            ("acked_share", "1", "of the bytes handed over, those that src knows to have arrived"),
            ("measured_bytes", "byte", "handed over in that round; 0: never measured"),
            ("age_rounds", "", "rounds since then"),
            ("reachable", "", "whether messages arrived in this round, or the peering of src holds dst"),
        ),
    ],
    "flows": [
        _ROUND,
        _SRC,
        _DST,
        *_rows(
            NETWORK,
            ("part", "", "part of the model that the message is: head, an encoder, generator sums; without"
             " learning: message"),
            ("payload_bytes", "byte", "bytes of the message"),
            ("is_rest", "", "whether it is the rest of a message of the round before (late_weight)"),
            ("handed_bytes", "byte", "of these, given to the socket (first transmissions)"),
            ("unsent_bytes", "byte", "payload_bytes - handed_bytes"),
            ("delivered_bytes", "byte", "of these, arrived before the round ended"),
            ("acked_bytes", "byte", "of these, as the sender knows"),
            ("outcome", "", "delivered, late (the round ended first), lost or partial (given up with"
             " nothing or some of it there), unreachable (nothing there, and nothing heard of dst),"
             " dead (a battery ran empty first)"),
            ("ready_s", "s", "when its sender had it, from the start of the round"),
            ("finish_s", "s", "when it was whole at the receiver; inf if not delivered"),
            ("delay_s", "s", "finish_s - ready_s, up to 20 ms of spread start included"),
            ("retransmissions", "", "chunks sent again by the transport"),
            ("chunks", "", "chunks that the message travels in"),
            ("arrived_chunks", "", "of these, arrived; mixed too with transports udp and broadcast"),
            ("chunk_map", "", "which ones, where some did: hexadecimal digits of four chunks each, a 1"
             " for each that arrived, the first chunk foremost"),
        ),
    ],
    "forwarding": [
        _ROUND,
        _SRC,
        _DST,
        Column("device", "", "device in between that passes on messages src -> dst", KEY),
        *_rows(NETWORK, ("forwarded_j", "J", "what that costs it above an idle radio")),
    ],
    "plans": [
        _ROUND,
        _DEVICE,
        *_rows(
            PLAN,
            ("planned_round", "", "round that was planned when the round began: itself and up to 23 more; with"
             " a star the first of those that a training pays for"),
            ("trains", "", "whether the device is to train in it"),
            ("planned_budget_j", "J", "what it may take, radio and board included"),
            ("planned_harvest_j", "J", "forecast of what it will bring"),
            ("planned_battery_j", "J", "battery at its end if all comes as forecast; radio and board drawn, paid or not"),
        ),
    ],
    "partition": [
        _DEVICE,
        *_rows(
            LEARNING,
            ("recording", "", "number of the recording that the device holds"),
            ("subject", "", "the person, or machine, of the recording"),
            ("class", "", "its class, by name"),
            ("samples", "", "training samples of it"),
            ("has_<modality>", "", "whether the device has that modality"),
        ),
    ],
}  # fmt: skip


def column_of(table: str, name: str) -> Column | None:
    """Return what is said of a column of a table, None where nothing is."""
    found = [each for each in COLUMNS[table] if re.fullmatch(each.pattern, name)]
    found.sort(key=lambda each: each.name != name)
    return found[0] if found else None
