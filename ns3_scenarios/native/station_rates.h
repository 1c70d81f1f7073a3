// A rate for each remote station, which stays.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "ns3/constant-rate-wifi-manager.h"
#include "ns3/mac48-address.h"
#include "ns3/net-device.h"
#include "ns3/wifi-mode.h"

namespace cosim_native
{
using namespace ns3;

// As ConstantRateWifiManager, but that data go to each station at a rate of its own.
class PerStationWifiManager : public ConstantRateWifiManager
{
  public:
    static TypeId GetTypeId();
    void SetMode(Mac48Address station, WifiMode mode);

  private:
    WifiTxVector DoGetDataTxVector(WifiRemoteStation* station, MHz_u allowedWidth) override;

    std::unordered_map<Mac48Address, WifiMode, WifiAddressHash> m_modeOf;
};

// Lets one radio, with such a manager, send to another at a rate by its name.
void SetStationMode(Ptr<NetDevice> from, Ptr<NetDevice> to, const std::string& mode);

// Signal over noise at which a bit error rate of 1e-6 is met, as IdealWifiManager asks it, of each
// mode with so many streams in the radio's whole channel [dB].
std::vector<double> LeastSnrsDb(Ptr<NetDevice> radio,
                                const std::vector<std::string>& modes,
                                int streams);

// Power at the receiver of what is sent with a power, all gains included, by path loss and
// shadowing; fading, which comes behind them among the losses, is not asked.
double PlannedPowerDbm(Ptr<NetDevice> from, Ptr<NetDevice> to, double txPowerDbm);

} // namespace cosim_native
