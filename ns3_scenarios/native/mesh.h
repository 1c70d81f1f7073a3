// 802.11s: mesh points on top of radios, and what a device asks of its own mesh stack.
#pragma once
#include <string>
#include <vector>

#include "ns3/net-device-container.h"
#include "ns3/node-container.h"
#include "ns3/wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

// A radio per node with a mesh MAC. WifiHelper of ns-3.44 makes no such MAC (it sets the queue
// scheduler too late for it), and MeshHelper retunes the radio to channel 100 of 20 MHz.
NetDeviceContainer MeshRadios(const WifiPhyHelper& phyHelper,
                              NodeContainer nodes,
                              WifiStandard standard,
                              const std::string& managerType);

// Puts a mesh point on top of each radio, whose MAC is a MeshWifiInterfaceMac. root: index of the
// one that announces proactive paths to itself; -1 for none.
NetDeviceContainer MeshOver(NetDeviceContainer radios, int root);

// Peers of a mesh point, as its own peering protocol has them.
std::vector<Mac48Address> PeersOf(Ptr<NetDevice> meshDevice);

// Where a mesh point would send a frame for the destination; the broadcast address if it knows no
// path.
Mac48Address NextHop(Ptr<NetDevice> meshDevice, Address destination);

// HWMP in ns-3 notices neither a forwarder that has no path any more (it drops in silence) nor two
// that forward to each other; either lasts until the path's lifetime is over. A device whose
// transfers get no answer forgets its own path, so that the next datagram asks anew.
void ForgetPath(Ptr<NetDevice> meshDevice, Address peer);

// The Wi-Fi device itself, or that of a mesh point's only interface; null if it is neither.
Ptr<WifiNetDevice> RadioBelow(Ptr<NetDevice> device);

} // namespace cosim_native
