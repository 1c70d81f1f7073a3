// Path loss of a link, with and without line of sight.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ns3/mobility-model.h"
#include "ns3/node-container.h"
#include "ns3/propagation-loss-model.h"

namespace cosim_native
{
using namespace ns3;

// A loss model of ns-3 by its name, with (name, value) pairs of attributes.
Ptr<PropagationLossModel> Ns3Loss(const std::string& model,
                                  const std::vector<std::string>& attributes,
                                  int64_t firstStream);

// The same loss, but ends nearer than leastM count as leastM apart: on the ground (their heights
// kept) or in space.
Ptr<PropagationLossModel> HeldApart(Ptr<PropagationLossModel> loss, double leastM, bool onGround);

// A loss that depends on line of sight. sight names the rule:
// inh, umi, uma: P(LOS) of 3GPP TR 38.901, table 7.4.2-1 (the mixed office; uma: below 13 m);
// v2v_urban, v2v_highway: chances of sight, of buildings and of a vehicle in between at low density
// (Boban, Gong, Xu, "Modeling the evolution of line-of-sight blockage for V2V channels", IEEE VTC
// Fall 2016); d2d: min(18/d, 1) (1 - exp(-d/36)) + exp(-d/36).
// Each link has a uniform number u that is compared with the chances at the present distance, as in
// TR 38.901, 7.6.3.3, so that a link's state changes with distance, and otherwise only where u is
// drawn anew: after both ends together have moved an exponentially distributed distance of mean
// decorrelationM, which makes the correlation of u exp(-moved / decorrelationM); 0: never.
// model, attributes: ns-3's loss in sight and without, of 3GPP; "" for d2d. What a vehicle in between takes, which ns-3
// draws for every frame and receiver, is here one value a link and draw of u. d2d, outdoor device
// to device after 3GPP TR 36.843, A.2.1.2: WINNER+ B1 (D5.3) between effective heights of 0.8 m,
// never below free space, 5 dB less without line of sight.
Ptr<PropagationLossModel> SightedLoss(NodeContainer nodes,
                                      const std::string& sight,
                                      const std::string& model,
                                      const std::vector<std::string>& attributes,
                                      double frequencyHz,
                                      double leastM,
                                      bool onGround,
                                      double decorrelationM,
                                      int64_t firstStream);

// Whether a loss that depends on line of sight has a link out of it, behind what is no vehicle.
bool IsHidden(const Ptr<PropagationLossModel>& loss, Ptr<MobilityModel> a, Ptr<MobilityModel> b);

} // namespace cosim_native
