#include "interference.h"

#include "air.h"

#include <string>

#include "ns3/multi-model-spectrum-channel.h"
#include "ns3/on-off-helper.h"
#include "ns3/onoff-application.h"
#include "ns3/packet-socket-address.h"
#include "ns3/packet-socket-helper.h"
#include "ns3/random-variable-stream.h"
#include "ns3/spectrum-wifi-helper.h"
#include "ns3/spectrum-wifi-phy.h"
#include "ns3/ssid.h"
#include "ns3/string.h"
#include "ns3/uinteger.h"
#include "ns3/wifi-mac.h"
#include "ns3/wifi-net-device.h"
#include "ns3/yans-wifi-channel.h"
#include "ns3/yans-wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

namespace
{
constexpr uint32_t PACKET_BYTES = 1400;

void
NameNetwork(Ptr<NetDevice> device, uint32_t index)
{
    auto mac = DynamicCast<WifiNetDevice>(device)->GetMac();
    if (mac->GetTypeOfStation() == AP || mac->GetTypeOfStation() == STA)
    {
        mac->SetSsid(Ssid("neighbour-" + std::to_string(index)));
    }
}

std::string
Exponential(double meanS)
{
    return "ns3::ExponentialRandomVariable[Mean=" + std::to_string(meanS) + "]";
}
} // namespace

std::unique_ptr<WifiPhyHelper>
PhyBeside(Ptr<NetDevice> radio)
{
    auto channel = DynamicCast<WifiNetDevice>(radio)->GetPhy()->GetChannel();
    if (auto yans = DynamicCast<YansWifiChannel>(channel))
    {
        if (auto lean = LeanPhyBeside(yans))
        {
            return lean;
        }
        auto helper = std::make_unique<YansWifiPhyHelper>();
        helper->SetChannel(yans);
        return helper;
    }
    auto helper = std::make_unique<SpectrumWifiPhyHelper>();
    helper->SetChannel(DynamicCast<SpectrumChannel>(channel));
    return helper;
}

ApplicationContainer
SendBetween(NetDeviceContainer senders,
            NetDeviceContainer receivers,
            const Load& load,
            int64_t firstStream)
{
    ApplicationContainer all;
    auto start = CreateObject<UniformRandomVariable>();
    start->SetStream(firstStream);
    for (uint32_t i = 0; i < senders.GetN(); ++i)
    {
        NameNetwork(senders.Get(i), i);
        NameNetwork(receivers.Get(i), i);
        PacketSocketHelper().Install(senders.Get(i)->GetNode());
        PacketSocketAddress to;
        to.SetSingleDevice(senders.Get(i)->GetIfIndex());
        to.SetPhysicalAddress(receivers.Get(i)->GetAddress());
        to.SetProtocol(1);
        OnOffHelper helper("ns3::PacketSocketFactory", to);
        helper.SetConstantRate(DataRate(static_cast<uint64_t>(load.rateBps)), PACKET_BYTES);
        if (load.offS > 0)
        {
            helper.SetAttribute("OnTime", StringValue(Exponential(load.onS)));
            helper.SetAttribute("OffTime", StringValue(Exponential(load.offS)));
        }
        auto application = helper.Install(senders.Get(i)->GetNode());
        application.Start(Seconds(start->GetValue(0, 1)));
        DynamicCast<OnOffApplication>(application.Get(0))->AssignStreams(firstStream + 1 + 2 * i);
        all.Add(application);
    }
    return all;
}

} // namespace cosim_native
