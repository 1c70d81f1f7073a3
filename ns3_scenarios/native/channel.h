// What a link loses, and the channel that radios share.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ns3/node-container.h"
#include "ns3/propagation-loss-model.h"
#include "ns3/wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

// A channel with this loss (and those linked to it) and propagation at the speed of light, and the
// radios' way onto it; Spectrum models interference in frequency, Yans in time only.
std::unique_ptr<WifiPhyHelper> PhyOn(Ptr<PropagationLossModel> loss, bool spectrum);

// Nodes take part in the order of their container; a link to another node (an access point) draws
// its first value too.

// Log-normal shadowing, one value per link, X_ij = X_ji. startDb (n x n) at the first look at the
// link. With a decorrelation distance it follows the movement of both ends by the Gudmundson model
// in the form for two moving ends (Wang, Tameh, Nix, IEEE TVT 57(1), 2008):
// X' = rho X + sqrt(1 - rho^2) N(0, sigma^2), rho = exp(-(d_i + d_j) / decorrelationM).
// A link that pathLoss has out of sight loses hiddenFactor X.
Ptr<PropagationLossModel> Shadowing(NodeContainer nodes,
                                    const std::vector<double>& startDb,
                                    double sigmaDb,
                                    double decorrelationM,
                                    int64_t firstStream,
                                    Ptr<PropagationLossModel> pathLoss,
                                    double hiddenFactor);

// Nakagami-m block fading: the power gain of a link is Gamma(m, 1/m), the same in both directions,
// and is drawn anew every coherenceS, each link at a phase of its own.
Ptr<PropagationLossModel> BlockFading(NodeContainer nodes,
                                      double m,
                                      double coherenceS,
                                      int64_t firstStream);

enum TraceEnd
{
    HOLD, // the last values go on
    LOOP  // the trace starts again
};

// Path loss from measurements: lossDb (times x n x n) [from, to], each row of times from its
// instant on; instants count from startS of the simulation on, before that the first row holds.
// periodS: when a looping trace starts again.
Ptr<PropagationLossModel> LossTrace(NodeContainer nodes,
                                    const std::vector<double>& timesS,
                                    const std::vector<double>& lossDb,
                                    double startS,
                                    double periodS,
                                    TraceEnd end);

} // namespace cosim_native
