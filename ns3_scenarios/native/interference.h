// Other people's radios on the same channel.
#pragma once
#include <memory>

#include "ns3/application-container.h"
#include "ns3/net-device-container.h"
#include "ns3/net-device.h"
#include "ns3/wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

// How much of the time and how fast they send; offS 0: without a pause.
struct Load
{
    double rateBps;
    double onS;  // mean of an exponential distribution
    double offS; // the same
};

// A way for more radios onto the channel of this one.
std::unique_ptr<WifiPhyHelper> PhyBeside(Ptr<NetDevice> radio);

// Each sender sends to the receiver of its index, frames of 1400 bytes. Of access points and
// stations, each pair gets a network name of its own.
ApplicationContainer SendBetween(NetDeviceContainer senders,
                                 NetDeviceContainer receivers,
                                 const Load& load,
                                 int64_t firstStream);

} // namespace cosim_native
