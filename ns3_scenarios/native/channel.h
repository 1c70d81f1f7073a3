// What a link loses, and the channel that radios share.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ns3/node-container.h"
#include "ns3/propagation-loss-model.h"
#include "ns3/wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

// A path-loss model of ns-3 by its name, with (name, value) pairs of attributes, and for models of
// 3GPP TR 38.901 the name of the line-of-sight condition ("" for none), drawn anew every updateS.
Ptr<PropagationLossModel> PathLoss(const std::string& model,
                                   const std::vector<std::string>& attributes,
                                   const std::string& condition,
                                   double updateS,
                                   int64_t firstStream);

// A channel with this loss (and those linked to it) and propagation at the speed of light, and the
// radios' way onto it; Spectrum models interference in frequency, Yans in time only.
std::unique_ptr<WifiPhyHelper> PhyOn(Ptr<PropagationLossModel> loss, bool spectrum);

// Nodes take part in the order of their container; a link to another node (an access point) draws
// its first value too.

// Log-normal shadowing, one value per link, X_ij = X_ji. startDb (n x n) at the first look at the
// link. With a decorrelation distance it follows the movement of both ends by the Gudmundson model
// in the form for two moving ends (Wang, Tameh, Nix, IEEE TVT 57(1), 2008):
// X' = rho X + sqrt(1 - rho^2) N(0, sigma^2), rho = exp(-(d_i + d_j) / decorrelationM).
Ptr<PropagationLossModel> Shadowing(NodeContainer nodes,
                                    const std::vector<double>& startDb,
                                    double sigmaDb,
                                    double decorrelationM,
                                    int64_t firstStream);

// Nakagami-m block fading: the power gain of a link is Gamma(m, 1/m), the same in both directions,
// and is drawn anew every coherenceS, each link at a phase of its own.
Ptr<PropagationLossModel> BlockFading(NodeContainer nodes,
                                      double m,
                                      double coherenceS,
                                      int64_t firstStream);

// Outdoor device to device after 3GPP TR 36.843, A.2.1.2: WINNER+ B1 (D5.3, 2 to 6 GHz) between
// effective heights of 0.8 m, never below free space, 5 dB less without line of sight. The
// condition of a link is drawn with P(LOS) = min(18/d, 1) (1 - exp(-d/36)) + exp(-d/36), again
// whenever its ends have moved decorrelationM together (0: never).
Ptr<PropagationLossModel> DeviceToDeviceLoss(NodeContainer nodes,
                                             double frequencyHz,
                                             double decorrelationM,
                                             int64_t firstStream);

// Vehicles after 3GPP TR 37.885, table 6.2.1-1: ns-3's model in streets or on a highway, whose loss
// by a vehicle in between is drawn for every frame and receiver. Here a link has one value, the same
// in both directions, until its line of sight is drawn anew.
Ptr<PropagationLossModel> VehicleLoss(NodeContainer nodes,
                                      bool highway,
                                      double frequencyHz,
                                      double updateS,
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
