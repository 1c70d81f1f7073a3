// What the session drives: devices with their radios, batteries and endpoints, and rounds.
#pragma once

// The same sums on every processor: no fused multiply-add where one happens to have it.
#pragma clang fp contract(off)
// Only what is used: every header costs time at each start, since they are compiled at run time.
#include "ns3/arp-cache.h"
#include "ns3/boolean.h"
#include "ns3/channel-access-manager.h"
#include "ns3/config.h"
#include "ns3/constant-position-mobility-model.h"
#include "ns3/dot11s-installer.h"
#include "ns3/fcfs-wifi-queue-scheduler.h"
#include "ns3/frame-exchange-manager.h"
#include "ns3/he-configuration.h"
#include "ns3/ht-configuration.h"
#include "ns3/hwmp-protocol.h"
#include "ns3/hwmp-rtable.h"
#include "ns3/inet-socket-address.h"
#include "ns3/internet-stack-helper.h"
#include "ns3/ipv4-address-helper.h"
#include "ns3/ipv4-interface.h"
#include "ns3/ipv4-l3-protocol.h"
#include "ns3/mesh-helper.h"
#include "ns3/mesh-point-device.h"
#include "ns3/mesh-wifi-interface-mac.h"
#include "ns3/mobility-helper.h"
#include "ns3/node-container.h"
#include "ns3/peer-management-protocol.h"
#include "ns3/pointer.h"
#include "ns3/position-allocator.h"
#include "ns3/propagation-delay-model.h"
#include "ns3/propagation-loss-model.h"
#include "ns3/qos-txop.h"
#include "ns3/random-variable-stream.h"
#include "ns3/rng-seed-manager.h"
#include "ns3/simulator.h"
#include "ns3/ssid.h"
#include "ns3/string.h"
#include "ns3/udp-socket-factory.h"
#include "ns3/vht-configuration.h"
#include "ns3/wifi-default-ack-manager.h"
#include "ns3/wifi-default-protection-manager.h"
#include "ns3/wifi-mac-helper.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-phy-listener.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/wifi-psdu.h"
#include "ns3/yans-wifi-channel.h"
#include "ns3/yans-wifi-helper.h"

#include "link_metric.h"
#include "mesh.h"
#include "probes.h"
#include "radio_battery.h"
#include "transfers.h"

namespace cosim_native
{
using namespace ns3;

class Network
{
  public:
    Network(int numDevices, uint32_t segmentBytes, double maxWindow, const Band& band)
        : n(numDevices),
          links(numDevices),
          audit(numDevices),
          m_metric(&links, band),
          m_segmentBytes(segmentBytes),
          m_maxWindow(maxWindow)
    {
    }

    // Devices are added in order; `radio` is the IP device itself or the interface below it.
    void AddDevice(Ptr<Node> node,
                   Ptr<NetDevice> ipDevice,
                   Ptr<NetDevice> radio,
                   Ipv4Address address,
                   double initialJ,
                   double capacityJ,
                   double harvestW,
                   const std::vector<double>& statePowerW,
                   bool audited)
    {
        const int device = static_cast<int>(m_endpoints.size());
        auto wifi = DynamicCast<WifiNetDevice>(radio);
        auto phy = wifi->GetPhy();
        m_isMesh = DynamicCast<MeshPointDevice>(ipDevice) != nullptr;
        auto battery = std::make_shared<RadioBattery>(phy, initialJ, capacityJ, harvestW);
        for (size_t state = 0; state < statePowerW.size(); ++state)
        {
            battery->SetStatePower(static_cast<int>(state), statePowerW[state]);
        }
        auto endpoint =
            std::make_unique<Endpoint>(device, node, &ledger, m_segmentBytes, m_maxWindow);
        battery->OnDeath([e = endpoint.get()] { e->Die(); });
        phy->RegisterListener(battery);
        links.Attach(device, phy, wifi->GetMac()->GetAddress());
        if (m_isMesh)
        {
            m_metric.Attach(device, DynamicCast<MeshWifiInterfaceMac>(wifi->GetMac()));
            endpoint->onPathSuspect = [this, device](int peer) {
                ForgetPath(m_devices[device], m_devices[peer]->GetAddress());
            };
        }
        if (audited)
        {
            audit.Attach(device, phy);
        }
        m_devices.push_back(ipDevice);
        m_radios.push_back(wifi);
        m_addresses.push_back(address);
        m_endpoints.push_back(std::move(endpoint));
        batteries.push_back(battery);
    }

    // After all devices are in place.
    void Finish()
    {
        for (int i = 0; i < n; ++i)
        {
            for (int j = 0; j < n; ++j)
            {
                if (i != j)
                {
                    m_endpoints[i]->AddPeer(j, m_addresses[j]);
                }
            }
            batteries[i]->CheckEmpty();
        }
    }

    // A living device sends one small datagram to a neighbour some time in the second half of the
    // boot phase, when the peerings stand.
    void Greet(int device, int neighbour, double bootS)
    {
        if (!batteries[device]->IsDead())
        {
            Endpoint* endpoint = m_endpoints[device].get();
            Simulator::Schedule(Seconds(endpoint->UniformIn(bootS / 2, bootS)),
                                [endpoint, neighbour] { endpoint->Greet(neighbour); });
        }
    }

    // Devices find their peers, their paths and their block-ack agreements before the first round,
    // each at its own time: all at once, most path requests are lost to collisions, and the detours
    // that the others find last as long as the paths. Batteries count from the end of it on.
    void Boot(double bootS)
    {
        Simulator::Schedule(Seconds(bootS), [] { Simulator::Stop(); });
        Simulator::Run();
        for (auto& battery : batteries)
        {
            battery->StartMetering();
        }
    }

    void BeginRound(uint32_t round)
    {
        m_round = round;
        links.Reset();
        ledger.Clear();
        for (auto& endpoint : m_endpoints)
        {
            endpoint->BeginRound(round);
        }
    }

    void Compute(int device, double energyJ, double durationS)
    {
        if (durationS > 0)
        {
            batteries[device]->BeginCompute(energyJ / durationS,
                                            Seconds(durationS).GetNanoSeconds());
        }
    }

    void AddMessage(int src, int dst, int64_t bytes, double readyS)
    {
        const int message = ledger.Add(src, dst, bytes);
        if (batteries[src]->IsDead() || batteries[dst]->IsDead())
        {
            ledger.Settle(message);
        }
        if (batteries[src]->IsDead())
        {
            return;
        }
        // A living sender does not know that its receiver is dead: it sends.
        Endpoint* endpoint = m_endpoints[src].get();
        Simulator::Schedule(Seconds(readyS + endpoint->StartDelayS()),
                            [endpoint, message, round = m_round] {
                                endpoint->Submit(message, round);
                            });
    }

    // Runs on until the period is over or, with stopWhenSettled, until every message is settled
    // and all computing is done.
    void Run(double periodS, bool stopWhenSettled)
    {
        EventId end = Simulator::Schedule(Seconds(periodS), [this] { EndRound(); });
        const auto endEarly = [this, &end] {
            Time computeEnd = Simulator::Now();
            for (const auto& battery : batteries)
            {
                computeEnd = std::max(computeEnd, NanoSeconds(battery->ComputeEndNs()));
            }
            end.Cancel();
            end = Simulator::Schedule(computeEnd - Simulator::Now(), [this] { EndRound(); });
        };
        ledger.onAllSettled = nullptr;
        if (stopWhenSettled)
        {
            ledger.onAllSettled = endEarly;
            if (ledger.NumOpen() == 0)
            {
                endEarly();
            }
        }
        Simulator::Run();
        ledger.onAllSettled = nullptr;
        for (auto& battery : batteries)
        {
            battery->Advance();
        }
    }

    int64_t StaleDatagrams(int device) const
    {
        return m_endpoints[device]->staleDatagrams;
    }

    // Devices that a device knows as its peers; in ad hoc there is no such knowledge.
    std::vector<int> Peers(int device) const
    {
        std::vector<int> peers;
        if (!m_isMesh)
        {
            return peers;
        }
        for (const auto& address : PeersOf(m_devices[device]))
        {
            for (int j = 0; j < n; ++j)
            {
                if (m_radios[j]->GetMac()->GetAddress() == address)
                {
                    peers.push_back(j);
                }
            }
        }
        return peers;
    }

    // Addresses known by configuration, so that no address resolution is lost in the first round.
    static void AddPermanentNeighbour(Ptr<Node> node, Ipv4Address address, Address mac)
    {
        auto cache = node->GetObject<Ipv4L3Protocol>()->GetInterface(1)->GetArpCache();
        auto* entry = cache->Add(address);
        entry->SetMacAddress(mac);
        entry->MarkPermanent();
    }

    int n;
    Ledger ledger;
    LinkProbe links;
    StateAudit audit;
    std::vector<std::shared_ptr<RadioBattery>> batteries;

  private:
    void EndRound()
    {
        for (auto& endpoint : m_endpoints)
        {
            endpoint->EndRound();
        }
        Simulator::Stop();
    }

    LinkMetric m_metric;
    uint32_t m_round{0};
    uint32_t m_segmentBytes;
    double m_maxWindow;
    std::vector<std::unique_ptr<Endpoint>> m_endpoints;
    std::vector<Ptr<NetDevice>> m_devices; // those with the IP addresses
    bool m_isMesh{false};
    std::vector<Ptr<WifiNetDevice>> m_radios;
    std::vector<Ipv4Address> m_addresses;
};

} // namespace cosim_native
