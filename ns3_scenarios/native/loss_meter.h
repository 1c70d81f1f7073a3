// How many of its frames a sender loses on each link, as their acknowledgements tell it.
#pragma once
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

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
// RTS without a CTS do not count: they tell of a busy medium rather than of the link. Where the
// block acknowledgement of an A-MPDU is missing, the answer to the request for it decides on each
// of its MPDUs; without that answer too, all of them count as lost, whatever a later one says.
class LossMeter
{
  public:
    void Attach(Ptr<WifiMac> mac)
    {
        mac->TraceConnectWithoutContext(
            "AckedMpdu",
            Hook<void, Ptr<const WifiMpdu>>(
                [this](Ptr<const WifiMpdu> mpdu) { Decide(mpdu->GetHeader(), 0); }));
        mac->TraceConnectWithoutContext(
            "NAckedMpdu",
            Hook<void, Ptr<const WifiMpdu>>(
                [this](Ptr<const WifiMpdu> mpdu) { Decide(mpdu->GetHeader(), 1); }));
        mac->TraceConnectWithoutContext(
            "MpduResponseTimeout",
            Hook<void, uint8_t, Ptr<const WifiMpdu>, const WifiTxVector&>(
                [this](uint8_t, Ptr<const WifiMpdu> mpdu, const WifiTxVector&) {
                    Decide(mpdu->GetHeader(), 1);
                }));
        mac->TraceConnectWithoutContext(
            "PsduResponseTimeout",
            Hook<void, uint8_t, Ptr<const WifiPsdu>, const WifiTxVector&>(
                [this](uint8_t, Ptr<const WifiPsdu> psdu, const WifiTxVector&) {
                    MissedBlockAck(*psdu);
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

    void MissedBlockAck(const WifiPsdu& psdu)
    {
        const WifiMacHeader& first = psdu.GetHeader(0);
        auto& open = m_open[first.GetAddr1()];
        if (first.IsBlockAckReq())
        {
            for (auto& [number, isCounted] : open)
            {
                if (!isCounted)
                {
                    Count(first.GetAddr1(), 1);
                    isCounted = true;
                }
            }
            return;
        }
        for (const auto& mpdu : psdu)
        {
            if (mpdu->GetHeader().IsQosData())
            {
                open[NumberOf(mpdu->GetHeader())] = false;
            }
        }
    }

    void Decide(const WifiMacHeader& header, double lost)
    {
        if (!header.HasData() || header.GetAddr1().IsGroup())
        {
            return;
        }
        bool isCounted = false;
        if (header.IsQosData())
        {
            auto& open = m_open[header.GetAddr1()];
            if (const auto found = open.find(NumberOf(header)); found != open.end())
            {
                isCounted = found->second;
                open.erase(found);
            }
        }
        if (!isCounted)
        {
            Count(header.GetAddr1(), lost);
        }
    }

    void Count(Mac48Address peer, double lost)
    {
        Loss& loss = m_of[peer];
        loss.share *= Remembered(loss);
        loss.share += (lost - loss.share) / MPDUS;
        loss.at = Simulator::Now();
    }

    static std::pair<uint8_t, uint16_t> NumberOf(const WifiMacHeader& header)
    {
        return {header.GetQosTid(), header.GetSequenceNumber()};
    }

    std::map<Mac48Address, Loss> m_of;
    // MPDUs sent, by category and sequence number, of which no answer has told yet; whether they
    // count as lost already.
    std::map<Mac48Address, std::map<std::pair<uint8_t, uint16_t>, bool>> m_open;
};

} // namespace cosim_native
