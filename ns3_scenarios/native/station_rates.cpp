#include "station_rates.h"

#include "ns3/abort.h"
#include "ns3/mobility-model.h"
#include "ns3/node.h"
#include "ns3/wifi-mac.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-phy-common.h"
#include "ns3/wifi-phy.h"
#include "ns3/wifi-tx-vector.h"
#include "ns3/wifi-utils.h"

#include "link_budget.h"

#include <algorithm>

namespace cosim_native
{
using namespace ns3;

namespace
{
constexpr double BIT_ERROR_RATE = 1e-6;

uint8_t
StreamsOf(const WifiMode& mode, uint8_t streams)
{
    return mode.GetModulationClass() == WIFI_MOD_CLASS_HT ? 1 + mode.GetMcsValue() / 8 : streams;
}
} // namespace

NS_OBJECT_ENSURE_REGISTERED(PerStationWifiManager);

TypeId
PerStationWifiManager::GetTypeId()
{
    static TypeId id = TypeId("cosim::PerStationWifiManager")
                           .SetParent<ConstantRateWifiManager>()
                           .AddConstructor<PerStationWifiManager>();
    return id;
}

void
PerStationWifiManager::SetMode(Mac48Address station, WifiMode mode)
{
    m_modeOf[station] = mode;
}

WifiTxVector
PerStationWifiManager::DoGetDataTxVector(WifiRemoteStation* station, MHz_u allowedWidth)
{
    const auto found = m_modeOf.find(GetAddress(station));
    // Those of other networks, and all before they have a rate, are spoken to at the slowest.
    const WifiMode mode = found == m_modeOf.end() ? GetDefaultMode() : found->second;
    const auto most = std::min(GetMaxNumberOfTransmitStreams(), GetNumberOfSupportedStreams(station));
    WifiTxVector txVector;
    txVector.SetMode(mode);
    txVector.SetTxPowerLevel(GetDefaultTxPowerLevel());
    txVector.SetPreambleType(
        GetPreambleForTransmission(mode.GetModulationClass(), GetShortPreambleEnabled()));
    txVector.SetGuardInterval(GetGuardIntervalForMode(mode, GetPhy()->GetDevice()));
    txVector.SetNTx(GetNumberOfAntennas());
    txVector.SetNss(StreamsOf(mode, most));
    txVector.SetNess(0);
    txVector.SetChannelWidth(
        GetPhy()->GetTxBandwidth(mode, std::min(allowedWidth, GetChannelWidth(station))));
    txVector.SetAggregation(GetAggregation(station));
    return txVector;
}

void
SetStationMode(Ptr<NetDevice> from, Ptr<NetDevice> to, const std::string& mode)
{
    const auto sender = DynamicCast<WifiNetDevice>(from);
    const auto manager = DynamicCast<PerStationWifiManager>(sender->GetRemoteStationManager());
    NS_ABORT_MSG_IF(!manager, "expected a radio with a rate for each station, got another");
    manager->SetMode(DynamicCast<WifiNetDevice>(to)->GetMac()->GetAddress(), WifiMode(mode));
}

std::vector<double>
LeastSnrsDb(Ptr<NetDevice> radio, const std::vector<std::string>& modes, int streams)
{
    const auto phy = DynamicCast<WifiNetDevice>(radio)->GetPhy();
    std::vector<double> snrsDb;
    for (const auto& name : modes)
    {
        const WifiMode mode(name);
        WifiTxVector txVector;
        txVector.SetMode(mode);
        txVector.SetNss(StreamsOf(mode, streams));
        txVector.SetChannelWidth(phy->GetTxBandwidth(mode));
        snrsDb.push_back(RatioToDb(phy->CalculateSnr(txVector, BIT_ERROR_RATE)));
    }
    return snrsDb;
}

double
PlannedPowerDbm(Ptr<NetDevice> from, Ptr<NetDevice> to, double txPowerDbm)
{
    const auto sender = DynamicCast<WifiNetDevice>(from)->GetPhy();
    const auto receiver = DynamicCast<WifiNetDevice>(to)->GetPhy();
    const auto atAntennaDbm = PowerWithoutFadingDbm(sender->GetChannel(),
                                                    txPowerDbm + sender->GetTxGain(),
                                                    from->GetNode()->GetObject<MobilityModel>(),
                                                    to->GetNode()->GetObject<MobilityModel>());
    return atAntennaDbm + receiver->GetRxGain();
}

} // namespace cosim_native
