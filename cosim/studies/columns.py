"""The columns that a run adds to what was swept, each once."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column that a run adds to what was swept; a share is shown in per cent.

    of_learning: runs without learning lack it.
    """

    name: str
    unit: str
    label: str
    meaning: str
    is_share: bool = False
    of_learning: bool = False


COLUMNS = (
    Column("accuracy_last", "", "Accuracy, last round",
           "test accuracy in the last evaluated round, mean over all devices, the dead with their"
           " last model", True, True),
    Column("accuracy_last5", "", "Accuracy, last 5 rounds",
           "test accuracy, mean over all devices and the last five evaluated rounds", True, True),
    Column("accuracy_living", "", "Accuracy of the living",
           "test accuracy in the last evaluated round, of the devices that are alive at the end",
           True, True),
    Column("accuracy_worst", "", "Accuracy of the worst device",
           "test accuracy in the last evaluated round, of the device with the least", True,
           True),
    Column("energy_j", "J", "Energy of all devices",
           "radio, compute and board of all devices, whole run"),
    Column("radio_j", "J", "Energy of all radios", "what the radios drew, whole run"),
    Column("compute_j", "J", "Energy of training", "what local training drew, whole run"),
    Column("board_j", "J", "Energy of idle boards", "what the boards drew, whole run"),
    Column("overspent_j", "J", "Energy above budget",
           "drawn above the budgets of plans, all devices and rounds"),
    Column("sent_bytes", "bytes", "Payload sent", "handed to the network by all devices"),
    Column("delivered_share", "", "Delivered bytes",
           "delivered over offered payload, without the first round; a device offers nothing to a"
           " neighbour that it has not heard for three rounds", True),
    Column("delay_median_s", "s", "Median delay",
           "within which half of all messages arrived, without the first round; runs in which fewer"
           " did are left out, and n says how many are not"),
    Column("alive_devices", "", "Devices alive", "at the end"),
    Column("devices", "", "Devices", "in all"),
    Column("rounds", "", "Rounds", "that were run"),
    Column("simulated_s", "s", "Simulated time", "on the simulated clock"),
    Column("time_to_target_s", "s", "Time to the target accuracy",
           "simulated; runs that do not reach it are left out, and n says how many do",
           of_learning=True),
    Column("energy_to_target_j", "J", "Energy to the target accuracy",
           "of all devices; runs that do not reach it are left out, and n says how many do",
           of_learning=True),
    Column("bytes_to_target", "bytes", "Payload to the target accuracy",
           "of all devices; runs that do not reach it are left out, and n says how many do",
           of_learning=True),
    Column("wall_s", "s", "Wall time", "of the run"),
    Column("code_version", "", "Code", "version of the code that can change numbers"),
    Column("processor", "", "Processor", "that it ran on"),
)  # fmt: skip

NUMBERS = tuple(each.name for each in COLUMNS if each.name not in ("code_version", "processor"))
OF_LEARNING = tuple(each.name for each in COLUMNS if each.of_learning)
