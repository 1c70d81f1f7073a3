#include "network.h"

#include "ns3/aodv-helper.h"
#include "ns3/ap-wifi-mac.h"
#include "ns3/arp-cache.h"
#include "ns3/internet-stack-helper.h"
#include "ns3/ipv4-address-helper.h"
#include "ns3/ipv4-interface.h"
#include "ns3/ipv4-l3-protocol.h"
#include "ns3/mesh-point-device.h"
#include "ns3/mobility-model.h"
#include "ns3/net-device-container.h"
#include "ns3/net-device-queue-interface.h"
#include "ns3/node-container.h"
#include "ns3/object-factory.h"
#include "ns3/olsr-helper.h"
#include "ns3/qos-utils.h"
#include "ns3/queue-item.h"
#include "ns3/simulator.h"
#include "ns3/sta-wifi-mac.h"
#include "ns3/uinteger.h"
#include "ns3/wifi-net-device.h"

#include "arq.h"
#include "causes.h"
#include "datagrams.h"
#include "link_budget.h"
#include "link_metric.h"
#include "mesh.h"
#include "probes.h"
#include "radio_battery.h"
#include "radio_switch.h"
#include "streams.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <sstream>

namespace cosim_native
{
using namespace ns3;

namespace
{
constexpr int64_t ROUTING_STREAM = 1 << 25; // clear of all others
constexpr const char* NETWORK = "10.0.0.0";
constexpr const char* MASK = "255.255.0.0";

// One of the devices that take part.
struct Device
{
    Ptr<NetDevice> ip; // the one with the IP address
    Ptr<WifiNetDevice> radio;
    Ptr<MobilityModel> mobility;
    bool isMesh;
    Ipv4Address address;
    std::shared_ptr<RadioBattery> battery;
    std::unique_ptr<RadioSwitch> power;
    std::unique_ptr<Endpoint> endpoint;
};

// Addresses known by configuration, so that no address resolution is lost in the first round.
void
AddPermanentNeighbour(Ptr<Node> node, Ipv4Address address, Address mac)
{
    auto cache = node->GetObject<Ipv4L3Protocol>()->GetInterface(1)->GetArpCache();
    auto* entry = cache->Add(address);
    entry->SetMacAddress(mac);
    entry->MarkPermanent();
}

// Lets the type of service choose the access category: without queues to choose from, ns-3 drops
// the priority on the way down. After the addresses, whose helper would put a queue disc on top.
void
AddQueuePerCategory(Ptr<NetDevice> device)
{
    auto queues = CreateObjectWithAttributes<NetDeviceQueueInterface>("NTxQueues", UintegerValue(4));
    queues->SetSelectQueueCallback(MakeCallback(&SelectQueueByDSField));
    device->AggregateObject(queues);
}

bool
IsAssociated(const Device& device)
{
    const auto mac = device.radio->GetMac();
    auto station = DynamicCast<StaWifiMac>(mac);
    return station ? station->IsAssociated() : DynamicCast<ApWifiMac>(mac) != nullptr;
}

template <typename Out, typename In>
void
Append(std::vector<Out>& out, const std::vector<In>& values)
{
    out.insert(out.end(), values.begin(), values.end());
}

template <typename Record, typename Column>
void
AddColumn(Record& record, const std::string& name, const Column& values)
{
    record.names += (record.names.empty() ? "" : " ") + name;
    Append(record.values, values);
}

// One column: what `read` says of each row.
template <typename Record, typename Rows, typename Read>
void
AddColumn(Record& record, const std::string& name, const Rows& rows, Read read)
{
    decltype(record.values) values;
    std::transform(rows.begin(), rows.end(), std::back_inserter(values), read);
    AddColumn(record, name, values);
}

int
RadioStateOf(const std::string& name)
{
    const auto found = std::find(RADIO_STATE_NAMES.begin(), RADIO_STATE_NAMES.end(), name);
    NS_ABORT_MSG_IF(found == RADIO_STATE_NAMES.end(), "no state of a radio: " << name);
    return static_cast<int>(found - RADIO_STATE_NAMES.begin());
}
} // namespace

uint32_t
AirtimeUnits(const Band& band, double snrDb, double lossShare)
{
    return LinkMetric::AirtimeUnits(band, snrDb, lossShare);
}

struct Network::Parts
{
    Parts(int numDevices, const Transport& transport, const Band& band)
        : ledger(transport.segmentBytes),
          links(numDevices, transport.kind == "broadcast"),
          causes(numDevices),
          audit(numDevices),
          metric(&links, band),
          transport(transport),
          contactS(static_cast<size_t>(numDevices) * numDevices, 0.0)
    {
    }

    void EndRound()
    {
        for (auto& device : devices)
        {
            device.endpoint->EndRound();
        }
        Simulator::Stop();
    }

    Ledger ledger;
    LinkProbe links;
    RadioCauses causes;
    StateAudit audit;
    LinkMetric metric;
    Transport transport;

    std::unique_ptr<Endpoint> MakeEndpoint(int device, Ptr<Node> node)
    {
        if (transport.kind == "tcp")
        {
            return std::make_unique<StreamEndpoint>(device, node, &ledger, transport);
        }
        if (transport.kind == "arq")
        {
            return std::make_unique<ArqEndpoint>(device, node, &ledger, transport);
        }
        const auto everybody = Ipv4Address(NETWORK).GetSubnetDirectedBroadcast(Ipv4Mask(MASK));
        return std::make_unique<DatagramEndpoint>(device, node, &ledger, transport, everybody);
    }

    void CountContacts(double distanceM)
    {
        for (size_t i = 0; i < devices.size(); ++i)
        {
            for (size_t j = 0; j < devices.size(); ++j)
            {
                if (i != j && devices[i].mobility->GetDistanceFrom(devices[j].mobility) <= distanceM)
                {
                    contactS[i * devices.size() + j] += CONTACT_STEP_S;
                }
            }
        }
        Simulator::Schedule(Seconds(CONTACT_STEP_S), [this, distanceM] { CountContacts(distanceM); });
    }

    static constexpr double CONTACT_STEP_S = 0.1;
    std::vector<Device> devices;
    std::vector<double> contactS;
    Ptr<MobilityModel> relay; // none without an access point between the devices
    bool sleepsWhileComputing{false};
    uint32_t round{0};
};

Network::Network(int numDevices, const Transport& transport, const Band& band)
    : m(std::make_unique<Parts>(numDevices, transport, band))
{
    // Events come in the same order out of ns-3's heap as out of its map, for less work.
    ObjectFactory heap;
    heap.SetTypeId("ns3::PriorityQueueScheduler");
    Simulator::SetScheduler(heap);
}

Network::~Network() = default;

void
Network::CountLossesInMetric()
{
    m->metric.countsLosses = true;
}

void
Network::AddDevice(Ptr<NetDevice> ipDevice, Ptr<NetDevice> radio, const Supply& supply, bool audited)
{
    const int index = static_cast<int>(m->devices.size());
    auto wifi = DynamicCast<WifiNetDevice>(radio);
    auto phy = wifi->GetPhy();
    std::vector<HarvestStep> harvest;
    for (size_t i = 0; i < supply.harvestW.size(); ++i)
    {
        const int64_t fromNs = Seconds(supply.harvestFromS[i]).GetNanoSeconds();
        harvest.push_back({fromNs, supply.harvestW[i]});
    }
    auto battery = std::make_shared<RadioBattery>(supply.initialJ,
                                                  supply.capacityJ,
                                                  harvest,
                                                  supply.boardW,
                                                  supply.revivalJ);
    std::istringstream names(supply.statePowerW.names);
    std::string name;
    for (const double powerW : supply.statePowerW.values)
    {
        names >> name;
        battery->SetStatePower(RadioStateOf(name), powerW);
    }
    phy->RegisterListener(battery);
    m->links.Attach(index, phy, wifi->GetMac()->GetAddress());
    m->causes.AddDevice(phy, wifi->GetMac()->GetAddress(), battery);
    auto mobility = ipDevice->GetNode()->GetObject<MobilityModel>();
    const bool isMesh = DynamicCast<MeshPointDevice>(ipDevice) != nullptr;
    if (isMesh)
    {
        m->metric.Attach(index, DynamicCast<MeshWifiInterfaceMac>(wifi->GetMac()));
    }
    if (audited)
    {
        m->audit.Attach(index, phy);
    }
    auto power = std::make_unique<RadioSwitch>(wifi, battery);
    m->devices.push_back(
        Device{ipDevice, wifi, mobility, isMesh, {}, battery, std::move(power), nullptr});
}

void
Network::AddRelay(Ptr<NetDevice> radio)
{
    auto wifi = DynamicCast<WifiNetDevice>(radio);
    m->links.AttachRelay(wifi->GetPhy());
    m->causes.AddRelay(wifi->GetPhy(), wifi->GetMac()->GetAddress());
    m->relay = radio->GetNode()->GetObject<MobilityModel>();
}

void
Network::Finish(const std::string& routing)
{
    NodeContainer nodes;
    NetDeviceContainer ipDevices;
    for (auto& device : m->devices)
    {
        nodes.Add(device.ip->GetNode());
        ipDevices.Add(device.ip);
    }
    InternetStackHelper internet;
    if (routing == "olsr")
    {
        internet.SetRoutingHelper(OlsrHelper());
    }
    else if (routing == "aodv")
    {
        internet.SetRoutingHelper(AodvHelper());
    }
    internet.Install(nodes);
    internet.AssignStreams(nodes, ROUTING_STREAM);
    Ipv4AddressHelper addresses(NETWORK, MASK);
    const auto interfaces = addresses.Assign(ipDevices);
    const int n = static_cast<int>(m->devices.size());
    for (int i = 0; i < n; ++i)
    {
        Device& device = m->devices[i];
        if (m->transport.tos != 0)
        {
            AddQueuePerCategory(device.ip);
        }
        device.address = interfaces.GetAddress(i);
        m->causes.SetAddress(i, device.address);
        device.endpoint = m->MakeEndpoint(i, device.ip->GetNode());
        device.battery->OnDeath([power = device.power.get(), endpoint = device.endpoint.get()] {
            power->Off();
            endpoint->Die();
        });
        device.battery->OnRevival([power = device.power.get(), endpoint = device.endpoint.get()] {
            power->On();
            endpoint->Revive();
        });
        device.endpoint->hearsFrames = [links = &m->links, i](int peer) {
            return links->HeardInRound(peer, i);
        };
        if (device.isMesh)
        {
            device.endpoint->onPathSuspect = [parts = m.get(), i](int peer) {
                ForgetPath(parts->devices[i].ip, parts->devices[peer].ip->GetAddress());
            };
        }
    }
    for (int i = 0; i < n; ++i)
    {
        for (int j = 0; j < n; ++j)
        {
            const Device& peer = m->devices[j];
            if (i != j)
            {
                AddPermanentNeighbour(nodes.Get(i), peer.address, peer.ip->GetAddress());
                m->devices[i].endpoint->AddPeer(j, peer.address);
            }
        }
        m->devices[i].battery->Check();
    }
}

void
Network::Greet(int device, int neighbour, double bootS)
{
    if (!m->devices[device].battery->IsDead())
    {
        Endpoint* endpoint = m->devices[device].endpoint.get();
        Simulator::Schedule(Seconds(endpoint->UniformIn(bootS / 2, bootS)),
                            [endpoint, neighbour] { endpoint->Greet(neighbour); });
    }
}

// Devices find their peers, their paths and their block-ack agreements before the first round, each
// at its own time: all at once, most path requests are lost to collisions, and the detours that the
// others find last as long as the paths. Batteries count from the end of it on.
void
Network::Boot(double bootS)
{
    Simulator::Schedule(Seconds(bootS), [] { Simulator::Stop(); });
    Simulator::Run();
    for (auto& device : m->devices)
    {
        device.battery->StartMetering();
    }
}

void
Network::TrackContacts(double distanceM)
{
    m->CountContacts(distanceM);
}

void
Network::SleepWhileComputing()
{
    m->sleepsWhileComputing = true;
}

void
Network::SetTransmitPower(int device, double powerDbm, double drawnW)
{
    const auto phy = m->devices[device].radio->GetPhy();
    phy->SetTxPowerStart(dBm_u{powerDbm});
    phy->SetTxPowerEnd(dBm_u{powerDbm});
    m->devices[device].battery->ChangeTxPower(drawnW);
}

void
Network::Sleep(int device, double durationS)
{
    const Device& one = m->devices[device];
    if (!one.battery->IsDead())
    {
        one.power->SleepFor(Seconds(durationS));
    }
}

void
Network::BeginRound(uint32_t round, double periodS)
{
    m->round = round;
    m->links.Reset();
    m->causes.Reset();
    m->ledger.Clear();
    m->contactS.assign(m->devices.size() * m->devices.size(), 0.0);
    for (auto& device : m->devices)
    {
        device.endpoint->BeginRound(round, periodS);
    }
}

void
Network::Compute(int device, double energyJ, double durationS)
{
    const Device& one = m->devices[device];
    if (durationS > 0 && !one.battery->IsDead())
    {
        one.battery->BeginCompute(energyJ / durationS, Seconds(durationS).GetNanoSeconds());
        if (m->sleepsWhileComputing && !one.power->IsToSleep())
        {
            one.power->SleepFor(Seconds(durationS));
        }
    }
}

void
Network::AddMessage(int src, int dst, int part, int64_t bytes, double readyS)
{
    const int message = m->ledger.Add(src, dst, part, bytes);
    if (m->devices[src].battery->IsDead() || m->devices[dst].battery->IsDead())
    {
        m->ledger.Settle(message);
    }
    if (m->devices[src].battery->IsDead())
    {
        return;
    }
    // A living sender does not know that its receiver is dead: it sends.
    Endpoint* endpoint = m->devices[src].endpoint.get();
    Simulator::Schedule(
        Seconds(readyS + endpoint->StartDelayS()),
        [endpoint, message, round = m->round] { endpoint->Submit(message, round); });
}

void
Network::Run(double periodS, bool stopWhenSettled)
{
    EventId end = Simulator::Schedule(Seconds(periodS), [this] { m->EndRound(); });
    const auto endEarly = [this, &end] {
        Time computeEnd = Simulator::Now();
        for (const auto& device : m->devices)
        {
            computeEnd = std::max(computeEnd, NanoSeconds(device.battery->ComputeEndNs()));
        }
        end.Cancel();
        end = Simulator::Schedule(computeEnd - Simulator::Now(), [this] { m->EndRound(); });
    };
    m->ledger.onAllSettled = nullptr;
    if (stopWhenSettled)
    {
        m->ledger.onAllSettled = endEarly;
        if (m->ledger.NumOpen() == 0)
        {
            endEarly();
        }
    }
    Simulator::Run();
    m->ledger.onAllSettled = nullptr;
    for (auto& device : m->devices)
    {
        device.battery->Advance();
    }
    m->causes.Settle();
}

double
Network::NowS() const
{
    return 1e-9 * static_cast<double>(Simulator::Now().GetNanoSeconds());
}

uint64_t
Network::NumEvents() const
{
    return Simulator::GetEventCount();
}

Integers
Network::Messages() const
{
    Integers record;
    const auto& rows = m->ledger.messages;
    AddColumn(record, "handed_bytes", rows, [](const auto& each) { return each.handedBytes; });
    AddColumn(record, "delivered_bytes", rows, [](const auto& each) { return each.deliveredBytes; });
    AddColumn(record, "acked_bytes", rows, [](const auto& each) { return each.ackedBytes; });
    AddColumn(record, "finished_ns", rows, [](const auto& each) { return each.finishedNs; });
    AddColumn(record, "retransmissions", rows, [](const auto& each) { return each.retransmissions; });
    AddColumn(record, "gave_up", rows, [](const auto& each) { return each.gaveUp; });
    AddColumn(record, "unheard", rows, [this](const auto& each) {
        return m->devices[each.src].endpoint->IsUnheard(each.dst);
    });
    return record;
}

std::vector<int64_t>
Network::Chunks() const
{
    std::vector<int64_t> table;
    for (const auto& message : m->ledger.messages)
    {
        Append(table, message.chunkArrived);
    }
    return table;
}

Reals
Network::Links() const
{
    const size_t n = m->devices.size();
    std::vector<double> isPeer(n * n, 0.0);
    for (size_t i = 0; i < n; ++i)
    {
        if (IsAssociated(m->devices[i]))
        {
            for (size_t j = 0; j < n; ++j)
            {
                isPeer[i * n + j] = i != j && IsAssociated(m->devices[j]);
            }
        }
        if (m->devices[i].isMesh)
        {
            const auto peers = PeersOf(m->devices[i].ip);
            for (size_t j = 0; j < n; ++j)
            {
                const auto address = m->devices[j].radio->GetMac()->GetAddress();
                isPeer[i * n + j] = std::find(peers.begin(), peers.end(), address) != peers.end();
            }
        }
    }
    Reals record;
    const auto& links = m->links;
    AddColumn(record, "sent_frames", links.sentFrames);
    AddColumn(record, "received_frames", links.receivedFrames);
    AddColumn(record, "airtime_s", links.airtimeS);
    AddColumn(record, "received_bytes", links.receivedBytes);
    AddColumn(record, "sinr_db_sum", links.sinrDbSum);
    AddColumn(record, "sinr_samples", links.sinrSamples);
    AddColumn(record, "rate_bps_sum", links.rateBpsSum);
    AddColumn(record, "is_peer", isPeer);
    return record;
}

Reals
Network::MessageCauses() const
{
    Reals record;
    const auto& causes = m->causes;
    AddColumn(record, "sender_tx_s", causes.senderTxS);
    AddColumn(record, "sender_rx_s", causes.senderRxS);
    AddColumn(record, "receiver_tx_s", causes.receiverTxS);
    AddColumn(record, "receiver_rx_s", causes.receiverRxS);
    AddColumn(record, "airtime_s", causes.airtimeS);
    return record;
}

Reals
Network::DeviceCauses() const
{
    Reals record;
    const auto& causes = m->causes;
    AddColumn(record, "overheard_rx_s", causes.overheardRxS);
    AddColumn(record, "protocol_tx_s", causes.protocolTxS);
    AddColumn(record, "protocol_rx_s", causes.protocolRxS);
    AddColumn(record, "cut_off_rx_s", causes.cutOffRxS);
    return record;
}

Reals
Network::Relayed() const
{
    Reals record;
    const auto& rows = m->causes.relayed;
    AddColumn(record, "src", rows, [](const auto& each) { return std::get<0>(each.first); });
    AddColumn(record, "dst", rows, [](const auto& each) { return std::get<1>(each.first); });
    AddColumn(record, "device", rows, [](const auto& each) { return std::get<2>(each.first); });
    AddColumn(record, "tx_s", rows, [](const auto& each) { return each.second.tx; });
    AddColumn(record, "rx_s", rows, [](const auto& each) { return each.second.rx; });
    return record;
}

std::vector<double>
Network::LinkPowersDbm() const
{
    const size_t n = m->devices.size();
    const auto budget = LinkBudgetOf(m->devices[0].radio->GetPhy()->GetChannel());
    std::vector<double> table(n * n, std::numeric_limits<double>::quiet_NaN());
    // Where stations reach each other by way of the access point.
    const bool apIsDevice = DynamicCast<ApWifiMac>(m->devices[0].radio->GetMac()) != nullptr;
    const auto between = apIsDevice ? m->devices[0].mobility : m->relay;
    for (size_t link = 0; budget && link < n * n; ++link)
    {
        const auto& from = m->devices[link / n].mobility;
        const auto& to = m->devices[link % n].mobility;
        if (from == to)
        {
            continue;
        }
        if (!between || from == between || to == between)
        {
            table[link] = budget->PowerDbm(from, to);
            continue;
        }
        const double upDbm = budget->PowerDbm(from, between);
        const double downDbm = budget->PowerDbm(between, to);
        // Who never heard the access point has sent it nothing: then the other hop says it.
        table[link] = std::fmin(upDbm, downDbm);
    }
    return table;
}

Reals
Network::Batteries() const
{
    Reals record;
    const auto add = [&](const std::string& name, auto read) {
        AddColumn(record, name, m->devices, [read](const Device& each) {
            return static_cast<double>(read(*each.battery));
        });
    };
    for (int state = 0; state < NUM_STATES; ++state)
    {
        add(std::string(RADIO_STATE_NAMES[state]) + "_s",
            [state](const auto& battery) { return 1e-9 * battery.StateNs(state); });
    }
    add("compute_j", [](const auto& battery) { return battery.ComputeJ(); });
    add("board_j", [](const auto& battery) { return battery.BoardJ(); });
    add("harvested_j", [](const auto& battery) { return battery.HarvestedJ(); });
    add("overflow_j", [](const auto& battery) { return battery.OverflowJ(); });
    add("remaining_energy_j", [](const auto& battery) { return battery.RemainingJ(); });
    add("died_at_s", [](const auto& battery) { return 1e-9 * battery.DiedAtNs(); });
    add("revived_at_s", [](const auto& battery) { return 1e-9 * battery.RevivedAtNs(); });
    return record;
}

std::vector<int64_t>
Network::StaleDatagrams() const
{
    std::vector<int64_t> counts;
    for (const auto& device : m->devices)
    {
        counts.push_back(device.endpoint->staleDatagrams);
    }
    return counts;
}

std::vector<double>
Network::Positions() const
{
    std::vector<double> table;
    for (const auto& device : m->devices)
    {
        const auto position = device.mobility->GetPosition();
        Append(table, std::vector<double>{position.x, position.y, position.z});
    }
    return table;
}

std::vector<double>
Network::Contacts() const
{
    return m->contactS;
}

std::vector<int64_t>
Network::NextHops() const
{
    const int64_t n = static_cast<int64_t>(m->devices.size());
    std::vector<int64_t> table(n * n, -1);
    for (int64_t link = 0; link < n * n; ++link)
    {
        const Device& from = m->devices[link / n];
        if (from.isMesh && link / n != link % n)
        {
            const auto hop = NextHop(from.ip, m->devices[link % n].ip->GetAddress());
            for (int64_t k = 0; k < n; ++k)
            {
                if (m->devices[k].radio->GetMac()->GetAddress() == hop)
                {
                    table[link] = k;
                }
            }
        }
    }
    return table;
}

double
Network::TracedSeconds(int device, int phyState, int64_t fromNs, int64_t toNs) const
{
    return m->audit.SecondsBetween(device, phyState, fromNs, toNs);
}

} // namespace cosim_native
