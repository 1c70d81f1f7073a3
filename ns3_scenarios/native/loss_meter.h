// How many of its frames a sender loses on each link, as their acknowledgements tell it.
#pragma once
#include <cmath>
#include <cstdint>
#include <map>

#include "ns3/simulator.h"
#include "ns3/wifi-mac.h"
#include "ns3/wifi-mpdu.h"
#include "ns3/wifi-psdu.h"
#include "ns3/wifi-tx-timer.h"

#include "hook.h"

namespace cosim_native
{
using namespace ns3;

// One device's own account: a mean over its last data MPDUs to a peer, exponentially weighted. What
// a sender has not used for a while it forgets, so that a link that was given up is tried again.
// RTS without a CTS do not count: they tell of a busy medium rather than of the link.
class LossMeter
{
  public:
    void Attach(Ptr<WifiMac> mac)
    {
        mac->TraceConnectWithoutContext(
            "AckedMpdu",
            Hook<void, Ptr<const WifiMpdu>>([this](Ptr<const WifiMpdu> mpdu) { Count(*mpdu, 0); }));
        mac->TraceConnectWithoutContext(
            "NAckedMpdu",
            Hook<void, Ptr<const WifiMpdu>>([this](Ptr<const WifiMpdu> mpdu) { Count(*mpdu, 1); }));
        mac->TraceConnectWithoutContext(
            "MpduResponseTimeout",
            Hook<void, uint8_t, Ptr<const WifiMpdu>, const WifiTxVector&>(
                [this](uint8_t, Ptr<const WifiMpdu> mpdu, const WifiTxVector&) {
                    Count(*mpdu, 1);
                }));
        mac->TraceConnectWithoutContext(
            "PsduResponseTimeout",
            Hook<void, uint8_t, Ptr<const WifiPsdu>, const WifiTxVector&>(
                [this](uint8_t, Ptr<const WifiPsdu> psdu, const WifiTxVector&) {
                    for (const auto& mpdu : *PeekPointer(psdu))
                    {
                        Count(*mpdu, 1);
                    }
                }));
    }

    // Between 0 and 1; 0 for a peer that nothing was sent to.
    double Share(Mac48Address peer) const
    {
        const auto found = m_of.find(peer);
        return found == m_of.end() ? 0 : found->second.share * Remembered(found->second);
    }

  private:
    struct Loss
    {
        double share{0};
        Time at;
    };

    static constexpr double MPDUS = 256;
    static constexpr double HALF_LIFE_S = 60;

    static double Remembered(const Loss& loss)
    {
        return std::exp2(-(Simulator::Now() - loss.at).GetSeconds() / HALF_LIFE_S);
    }

    void Count(const WifiMpdu& mpdu, double lost)
    {
        if (mpdu.GetHeader().HasData() && !mpdu.GetHeader().GetAddr1().IsGroup())
        {
            Loss& loss = m_of[mpdu.GetHeader().GetAddr1()];
            loss.share *= Remembered(loss);
            loss.share += (lost - loss.share) / MPDUS;
            loss.at = Simulator::Now();
        }
    }

    std::map<Mac48Address, Loss> m_of;
};

} // namespace cosim_native
