// What a link costs a path: the airtime of a frame at the rate that the link can carry, times the
// attempts that the frame takes.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include "ns3/mesh-wifi-interface-mac.h"

#include "loss_meter.h"
#include "network.h"
#include "probes.h"

namespace cosim_native
{
using namespace ns3;

// Airtime metric of IEEE 802.11-2020, 14.9: c = (O + B / r) / (1 - e), in units of 10.24 us. The
// calculator of ns-3.44 takes the lowest rate for every link (it leaves the peer's address unset).
// The rate r is Shannon's with a gap of 6 dB, within the rates of the standard; the SNR is that of
// the last frame heard from the peer, beacons too, without interference. The share e of frames lost
// is what the device itself has lost on its way to that peer, or zero where losses are not counted:
// HWMP asks whoever hears a path request, so a path is judged by the losses of the way back.
class LinkMetric
{
  public:
    LinkMetric(const LinkProbe* probe, const Band& band)
        : m_probe(probe),
          m_band(band)
    {
    }

    void Attach(int device, Ptr<MeshWifiInterfaceMac> mac)
    {
        LossMeter& losses = m_losses[device];
        if (countsLosses)
        {
            losses.Attach(mac);
        }
        mac->SetLinkMetricCallback(Hook<uint32_t, Mac48Address, Ptr<MeshWifiInterfaceMac>>(
            [this, device, &losses](Mac48Address peer, Ptr<MeshWifiInterfaceMac>) {
                return AirtimeUnits(m_band,
                                    m_probe->ReceivedPowerDbm(peer, device) - m_band.noiseDbm,
                                    losses.Share(peer));
            }));
    }

    bool countsLosses{false}; // of devices that are attached from now on

    static uint32_t AirtimeUnits(const Band& band, double snrDb, double lossShare)
    {
        const double rateBps =
            band.widthHz * std::log2(1 + std::pow(10, 0.1 * (snrDb - SHANNON_GAP_DB)));
        const double airtimeS =
            OVERHEAD_S + TEST_FRAME_BITS / std::clamp(rateBps, band.slowestBps, band.fastestBps);
        const double attempts = 1 / (1 - std::min(lossShare, WORST_LOSS_SHARE));
        return static_cast<uint32_t>(airtimeS * attempts / UNIT_S);
    }

  private:
    static constexpr double SHANNON_GAP_DB = 6;
    static constexpr double OVERHEAD_S = 185e-6; // channel access and protocol, OFDM
    static constexpr double TEST_FRAME_BITS = 8192;
    static constexpr double UNIT_S = 10.24e-6;
    static constexpr double WORST_LOSS_SHARE = 0.95;

    const LinkProbe* m_probe;
    Band m_band;
    std::map<int, LossMeter> m_losses;
};

} // namespace cosim_native
