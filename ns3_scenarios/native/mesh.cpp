#include "mesh.h"

#include "ns3/boolean.h"
#include "ns3/channel-access-manager.h"
#include "ns3/dot11s-installer.h"
#include "ns3/eht-configuration.h"
#include "ns3/fcfs-wifi-queue-scheduler.h"
#include "ns3/frame-exchange-manager.h"
#include "ns3/he-configuration.h"
#include "ns3/ht-configuration.h"
#include "ns3/hwmp-protocol.h"
#include "ns3/hwmp-rtable.h"
#include "ns3/mesh-point-device.h"
#include "ns3/mesh-wifi-interface-mac.h"
#include "ns3/peer-management-protocol.h"
#include "ns3/pointer.h"
#include "ns3/qos-txop.h"
#include "ns3/ssid.h"
#include "ns3/string.h"
#include "ns3/vht-configuration.h"
#include "ns3/wifi-default-ack-manager.h"
#include "ns3/wifi-default-protection-manager.h"
#include "ns3/wifi-mac-helper.h"
#include "ns3/wifi-net-device.h"

namespace cosim_native
{
using namespace ns3;

namespace
{
// Tells two radios what the other one is capable of, which 802.11s beacons of ns-3.44 do not.
void
Introduce(Ptr<WifiMac> to, Ptr<WifiMac> other)
{
    auto manager = to->GetWifiRemoteStationManager();
    const auto address = other->GetAddress();
    manager->AddAllSupportedModes(address);
    if (other->GetHtSupported(0))
    {
        manager->AddStationHtCapabilities(address, other->GetHtCapabilities(0));
    }
    if (other->GetVhtSupported(0))
    {
        manager->AddStationVhtCapabilities(address, other->GetVhtCapabilities(0));
    }
    if (other->GetHeSupported())
    {
        manager->AddStationHeCapabilities(address, other->GetHeCapabilities(0));
        if (other->GetWifiPhy()->GetPhyBand() == WIFI_PHY_BAND_6GHZ)
        {
            manager->AddStationHe6GhzCapabilities(address, other->GetHe6GhzBandCapabilities(0));
        }
    }
    if (other->GetEhtSupported())
    {
        manager->AddStationEhtCapabilities(address, other->GetEhtCapabilities(0));
    }
}
} // namespace

NetDeviceContainer
MeshRadios(const WifiPhyHelper& phyHelper,
           NodeContainer nodes,
           WifiStandard standard,
           const std::string& managerType)
{
    NetDeviceContainer radios;
    for (auto node = nodes.Begin(); node != nodes.End(); ++node)
    {
        auto radio = CreateObject<WifiNetDevice>();
        (*node)->AddDevice(radio);
        radio->SetStandard(standard);
        if (standard >= WIFI_STANDARD_80211n)
        {
            radio->SetHtConfiguration(CreateObject<HtConfiguration>());
        }
        if (standard >= WIFI_STANDARD_80211ac)
        {
            radio->SetVhtConfiguration(CreateObject<VhtConfiguration>());
        }
        if (standard >= WIFI_STANDARD_80211ax)
        {
            radio->SetHeConfiguration(CreateObject<HeConfiguration>());
        }
        if (standard >= WIFI_STANDARD_80211be)
        {
            radio->SetEhtConfiguration(CreateObject<EhtConfiguration>());
        }
        const auto phys = phyHelper.Create(*node, radio);
        phys.at(0)->ConfigureStandard(standard);
        radio->SetPhy(phys.at(0));
        radio->SetRemoteStationManager(
            ObjectFactory(managerType).Create<WifiRemoteStationManager>());

        ObjectFactory macFactory("ns3::MeshWifiInterfaceMac", "QosSupported", BooleanValue(true));
        for (const std::string category : {"BE", "BK", "VI", "VO"})
        {
            auto txop = CreateObjectWithAttributes<QosTxop>("AcIndex",
                                                            StringValue("AC_" + category));
            macFactory.Set(category + "_Txop", PointerValue(txop));
        }
        auto mac = macFactory.Create<MeshWifiInterfaceMac>();
        mac->SetSsid(Ssid());
        mac->SetDevice(radio);
        mac->SetAddress(Mac48Address::Allocate());
        radio->SetMac(mac);
        mac->SetMacQueueScheduler(CreateObject<FcfsWifiQueueScheduler>());
        mac->SetChannelAccessManagers({CreateObject<ChannelAccessManager>()});
        ObjectFactory exchangeFactory(GetFrameExchangeManagerTypeIdName(standard, true));
        auto exchange = exchangeFactory.Create<FrameExchangeManager>();
        mac->SetFrameExchangeManagers({exchange});
        exchange->SetAddress(mac->GetAddress());
        auto protection = CreateObject<WifiDefaultProtectionManager>();
        protection->SetWifiMac(mac);
        exchange->SetProtectionManager(protection);
        auto acknowledgement = CreateObject<WifiDefaultAckManager>();
        acknowledgement->SetWifiMac(mac);
        exchange->SetAckManager(acknowledgement);
        radios.Add(radio);
    }
    return radios;
}

NetDeviceContainer
MeshOver(NetDeviceContainer radios, int root)
{
    NetDeviceContainer meshDevices;
    auto stack = CreateObject<Dot11sStack>();
    for (uint32_t i = 0; i < radios.GetN(); ++i)
    {
        auto meshDevice = CreateObject<MeshPointDevice>();
        radios.Get(i)->GetNode()->AddDevice(meshDevice);
        meshDevice->AddInterface(radios.Get(i));
        stack->InstallStack(meshDevice);
        if (static_cast<int>(i) == root)
        {
            meshDevice->GetObject<dot11s::HwmpProtocol>()->SetRoot();
        }
        meshDevices.Add(meshDevice);
        for (uint32_t j = 0; j < radios.GetN(); ++j)
        {
            if (i != j)
            {
                Introduce(DynamicCast<WifiNetDevice>(radios.Get(i))->GetMac(),
                          DynamicCast<WifiNetDevice>(radios.Get(j))->GetMac());
            }
        }
    }
    return meshDevices;
}

std::vector<Mac48Address>
PeersOf(Ptr<NetDevice> meshDevice)
{
    auto protocol = meshDevice->GetObject<dot11s::PeerManagementProtocol>();
    const auto interfaces = DynamicCast<MeshPointDevice>(meshDevice)->GetInterfaces();
    return protocol->GetPeers(interfaces.at(0)->GetIfIndex());
}

Mac48Address
NextHop(Ptr<NetDevice> meshDevice, Address destination)
{
    auto table = meshDevice->GetObject<dot11s::HwmpProtocol>()->GetRoutingTable();
    // As HwmpProtocol does: a path to the destination, else the one to the root.
    const auto hop = table->LookupReactive(Mac48Address::ConvertFrom(destination)).retransmitter;
    return hop.IsBroadcast() ? table->LookupProactive().retransmitter : hop;
}

void
ForgetPath(Ptr<NetDevice> meshDevice, Address peer)
{
    meshDevice->GetObject<dot11s::HwmpProtocol>()->GetRoutingTable()->DeleteReactivePath(
        Mac48Address::ConvertFrom(peer));
}

Ptr<WifiNetDevice>
RadioBelow(Ptr<NetDevice> device)
{
    auto mesh = DynamicCast<MeshPointDevice>(device);
    if (mesh && mesh->GetInterfaces().size() == 1)
    {
        return DynamicCast<WifiNetDevice>(mesh->GetInterfaces().front());
    }
    return DynamicCast<WifiNetDevice>(device);
}

} // namespace cosim_native
