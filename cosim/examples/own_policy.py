"""A policy of one's own: what was lost last time is not sent again until the battery is half full.

python cosim/run.py --policy cosim/examples/own_policy.py --policy_options least_share=0.5
"""

import numpy as np

from cosim.policies.policy import Decision, Policy, View


def decide(view: View) -> Decision:
    """Send to the neighbours to whom most arrived, and to all while there is energy to spare."""
    # memory is this device's own and stays from round to round; it may hold numbers and lists.
    full_j = view.memory.setdefault("full_j", view.remaining_energy_j)
    if view.remaining_energy_j > full_j / 2:
        return Decision()  # everything to everybody, at the usual power

    # Arrays of neighbours have one entry for each in view.neighbours; nan: never measured.
    arrived = np.nan_to_num(view.acked_share, nan=1.0)
    worth_it = arrived >= view.options["least_share"]
    sends = view.wanted & worth_it[:, np.newaxis]  # (neighbours, parts)

    # 3 dB less while all that is sent arrives; the radio's range is given.
    power_dbm = view.most_dbm - 3.0 if np.all(arrived[worth_it] > 0.99) else view.most_dbm
    return Decision(sends=sends, tx_power_dbm=max(power_dbm, view.least_dbm))


POLICY = Policy(decide, "spare the radio of an old battery", options={"least_share": 0.5})
