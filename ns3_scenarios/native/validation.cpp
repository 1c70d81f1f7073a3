#include "validation.h"

#include "ns3/basic-energy-source-helper.h"
#include "ns3/double.h"
#include "ns3/mobility-model.h"
#include "ns3/node.h"
#include "ns3/pointer.h"
#include "ns3/propagation-loss-model.h"
#include "ns3/simulator.h"
#include "ns3/string.h"
#include "ns3/wifi-mac-queue.h"
#include "ns3/wifi-mac.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-phy.h"
#include "ns3/wifi-psdu.h"
#include "ns3/wifi-tx-vector.h"
#include "ns3/wifi-radio-energy-model-helper.h"
#include "ns3/yans-wifi-channel.h"

#include "hook.h"

namespace cosim_native
{
using namespace ns3;

namespace
{
constexpr uint16_t LOCAL_ETHERTYPE = 0x88b5;
// More frames than the fastest radio sends between two fillings.
constexpr uint32_t QUEUE_FRAMES = 16;
constexpr int64_t FILL_EVERY_US = 1000;
constexpr double HUGE_ENERGY_J = 1e9;
} // namespace

struct Saturation::Parts
{
    struct Flow
    {
        Ptr<NetDevice> from;
        Ptr<WifiMac> mac; // of the radio below
        Address to;
    };

    void Fill()
    {
        for (const auto& flow : flows)
        {
            const auto category = flow.mac->GetQosSupported() ? AC_BE : AC_BE_NQOS;
            const auto queue = flow.mac->GetTxopQueue(category);
            // A mesh without a path holds frames back: count them instead of waiting for them.
            for (auto held = queue->GetNPackets(); held < QUEUE_FRAMES; ++held)
            {
                flow.from->Send(Create<Packet>(payloadBytes), flow.to, LOCAL_ETHERTYPE);
            }
        }
        next = Simulator::Schedule(MicroSeconds(FILL_EVERY_US), [this] { Fill(); });
    }

    uint32_t payloadBytes;
    std::vector<Ptr<NetDevice>> devices;
    std::vector<Ptr<WifiMac>> macs;
    std::vector<Flow> flows;
    std::vector<int64_t> receivedBytes;
    double frameS{0};
    EventId next;
};

Saturation::Saturation(uint32_t payloadBytes)
    : m(std::make_unique<Parts>())
{
    m->payloadBytes = payloadBytes;
}

Saturation::~Saturation()
{
    m->next.Cancel();
}

void
Saturation::AddDevice(Ptr<NetDevice> device, Ptr<NetDevice> radio)
{
    const size_t index = m->devices.size();
    m->devices.push_back(device);
    m->macs.push_back(DynamicCast<WifiNetDevice>(radio)->GetMac());
    m->receivedBytes.push_back(0);
    device->SetReceiveCallback(
        Hook<bool, Ptr<NetDevice>, Ptr<const Packet>, uint16_t, const Address&>(
            [parts = m.get(), index](Ptr<NetDevice>,
                                     Ptr<const Packet> packet,
                                     uint16_t,
                                     const Address&) {
                parts->receivedBytes[index] += packet->GetSize();
                return true;
            }));
    const auto phy = DynamicCast<WifiNetDevice>(radio)->GetPhy();
    phy->TraceConnectWithoutContext(
        "PhyTxPsduBegin",
        Hook<void, WifiConstPsduMap, WifiTxVector, double>(
            [parts = m.get(), band = phy->GetPhyBand()](WifiConstPsduMap psdus,
                                                        WifiTxVector txVector,
                                                        double) {
                const auto& psdu = psdus.begin()->second;
                if (psdu->GetHeader(0).HasData() && psdu->GetSize() > parts->payloadBytes)
                {
                    parts->frameS =
                        WifiPhy::CalculateTxDuration(psdus, txVector, band).GetSeconds();
                }
            }));
}

void
Saturation::AddFlow(int src, int dst)
{
    m->flows.push_back({m->devices[src], m->macs[src], m->devices[dst]->GetAddress()});
}

void
Saturation::EndFlows()
{
    m->flows.clear();
}

void
Saturation::Run(double durationS)
{
    if (!m->next.IsPending())
    {
        m->next = Simulator::ScheduleNow([parts = m.get()] { parts->Fill(); });
    }
    Simulator::Stop(Seconds(durationS));
    Simulator::Run();
}

std::vector<int64_t>
Saturation::ReceivedBytes() const
{
    return m->receivedBytes;
}

double
Saturation::FrameS() const
{
    return m->frameS;
}

void
SetDataMode(Ptr<NetDevice> radio, const std::string& mode)
{
    DynamicCast<WifiNetDevice>(radio)->GetRemoteStationManager()->SetAttribute("DataMode",
                                                                               StringValue(mode));
}

struct ReferenceMeter::Parts
{
    energy::DeviceEnergyModelContainer models;
};

ReferenceMeter::ReferenceMeter()
    : m(std::make_unique<Parts>())
{
}

ReferenceMeter::~ReferenceMeter() = default;

void
ReferenceMeter::AddDevice(Ptr<NetDevice> radio, double supplyVoltageV)
{
    BasicEnergySourceHelper sources;
    sources.Set("BasicEnergySourceInitialEnergyJ", DoubleValue(HUGE_ENERGY_J));
    sources.Set("BasicEnergySupplyVoltageV", DoubleValue(supplyVoltageV));
    const auto source = sources.Install(radio->GetNode());
    m->models.Add(WifiRadioEnergyModelHelper().Install(radio, source.Get(0)));
}

std::vector<double>
ReferenceMeter::EnergyJ() const
{
    std::vector<double> energyJ;
    for (auto model = m->models.Begin(); model != m->models.End(); ++model)
    {
        energyJ.push_back((*model)->GetTotalEnergyConsumption());
    }
    return energyJ;
}

double
ReceivedPowerDbm(Ptr<NetDevice> from, Ptr<NetDevice> to)
{
    const auto sender = DynamicCast<WifiNetDevice>(from)->GetPhy();
    const auto receiver = DynamicCast<WifiNetDevice>(to)->GetPhy();
    PointerValue loss;
    sender->GetChannel()->GetAttribute("PropagationLossModel", loss);
    const double atAntennaDbm = loss.Get<PropagationLossModel>()->CalcRxPower(
        sender->GetTxPowerStart() + sender->GetTxGain(),
        from->GetNode()->GetObject<MobilityModel>(),
        to->GetNode()->GetObject<MobilityModel>());
    return atAntennaDbm + receiver->GetRxGain();
}

} // namespace cosim_native
