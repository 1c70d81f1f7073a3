// The Yans channel with less work and the same results.
#pragma once
#include <memory>

#include "ns3/propagation-loss-model.h"
#include "ns3/wifi-helper.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/yans-wifi-channel.h"

namespace cosim_native
{
using namespace ns3;

// Radios on a channel of their own, which do what ns-3's do, but for four things that leave no trace
// in a run other than its number of events:
// - between nodes that stay where they are, a loss is asked for once for each power, as long as
//   lossesStay: the losses draw nothing and change with nothing but the places of both ends;
// - what would arrive below RxSensitivity is not scheduled;
// - what is too weak to be detected is put off while a radio waits (faint.h);
// - what comes while a radio receives a payload is added to its sum of powers, and nothing else.
// Of ns-3's traces, SignalArrival is silent, and PhyRxPpduDrop and PhyRxDrop say nothing of what was
// put off or added.
std::unique_ptr<WifiPhyHelper> LeanPhyOn(Ptr<PropagationLossModel> loss, bool lossesStay);

class LeanPhy;

// On the channel of the sender; txPowerDbm: with the gain of its antenna.
void SendOnLeanAir(const LeanPhy* sender, const Ptr<const WifiPpdu>& ppdu, double txPowerDbm);

// More radios for such a channel; none where it is another.
std::unique_ptr<WifiPhyHelper> LeanPhyBeside(Ptr<YansWifiChannel> channel);

} // namespace cosim_native
