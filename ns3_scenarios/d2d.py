"""Device to device outdoors: pedestrians who meet and part.

      o  ->        o       n devices that walk (random waypoint) in a square
           <-  o           ad hoc 802.11, direct links only, no forwarding
      o ->     <-  o       loss like 3GPP TR 36.843, A.2.1.2: line of sight by distance
                           contacts (seconds within neighbour_distance_m) in the tables

Everyone is a planned neighbour of everyone: whom a device reaches, it learns from packets. This is
802.11 over a device-to-device channel, not 3GPP sidelink, which ns-3 does not have.
"""

from ns3_scenarios.adhoc80211 import build
from ns3_scenarios.scenario_kind import ScenarioKind

SCENARIO = ScenarioKind(build, is_ad_hoc=True)
