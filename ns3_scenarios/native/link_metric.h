// What a link costs a path: the airtime of a frame at the rate that the link can carry.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "probes.h"

namespace cosim_native
{
using namespace ns3;

// Airtime metric of IEEE 802.11-2020, 14.9: c = O + B / r, in units of 10.24 us, where ns-3.44's own
// calculator takes the lowest rate for every link (it leaves the peer's address unset). The rate r
// is Shannon's with a gap of 6 dB, within the rates of one HE stream of 20 MHz; the SNR is that of
// the last frame heard from the peer, beacons too, without interference. Frame errors are left out.
class LinkMetric
{
  public:
    LinkMetric(int numDevices, double noiseDbm)
        : n(numDevices),
          m_noiseDbm(noiseDbm),
          m_powerDbm(static_cast<size_t>(n) * n, UNHEARD_DBM)
    {
    }

    void Attach(int device, Ptr<WifiPhy> phy, Ptr<MeshWifiInterfaceMac> mac)
    {
        m_deviceOf[mac->GetAddress()] = device;
        phy->GetState()->TraceConnectWithoutContext(
            "RxOutcome",
            MakeCallback(&LinkMetric::OnReceive, this).Bind(device));
        mac->SetLinkMetricCallback(MakeCallback(&LinkMetric::Metric, this).Bind(device));
    }

    static uint32_t AirtimeUnits(double snrDb)
    {
        const double rateBps =
            BANDWIDTH_HZ * std::log2(1 + std::pow(10, 0.1 * (snrDb - SHANNON_GAP_DB)));
        const double airtimeS =
            OVERHEAD_S + TEST_FRAME_BITS / std::clamp(rateBps, LOWEST_RATE_BPS, HIGHEST_RATE_BPS);
        return static_cast<uint32_t>(airtimeS / UNIT_S);
    }

  private:
    static constexpr double UNHEARD_DBM = -200;
    static constexpr double SHANNON_GAP_DB = 6;
    static constexpr double BANDWIDTH_HZ = 20e6;
    static constexpr double LOWEST_RATE_BPS = 7.3e6;    // HE MCS 0, guard interval 3.2 us
    static constexpr double HIGHEST_RATE_BPS = 121.9e6; // HE MCS 11, guard interval 3.2 us
    static constexpr double OVERHEAD_S = 185e-6;        // channel access and protocol, OFDM
    static constexpr double TEST_FRAME_BITS = 8192;
    static constexpr double UNIT_S = 10.24e-6;

    void OnReceive(int device,
                   Ptr<const WifiPpdu> ppdu,
                   RxSignalInfo signal,
                   const WifiTxVector&,
                   const std::vector<bool>& outcomes)
    {
        const auto from = m_deviceOf.find(ppdu->GetPsdu()->GetAddr2());
        if (from != m_deviceOf.end() && AnyReceived(outcomes))
        {
            m_powerDbm[static_cast<size_t>(from->second) * n + device] = signal.rssi;
        }
    }

    uint32_t Metric(int device, Mac48Address peer, Ptr<MeshWifiInterfaceMac>)
    {
        const size_t link = static_cast<size_t>(m_deviceOf.at(peer)) * n + device;
        return AirtimeUnits(m_powerDbm[link] - m_noiseDbm);
    }

    int n;
    double m_noiseDbm;
    std::vector<double> m_powerDbm; // of the last frame received, [transmitter][receiver]
    std::map<Mac48Address, int> m_deviceOf;
};

} // namespace cosim_native
