// What the frames on the air say about each link, and a second look at the radio states.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "ns3/abort.h"
#include "ns3/simulator.h"
#include "ns3/wifi-phy.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/wifi-psdu.h"
#include "ns3/wifi-utils.h"

#include "by_mac.h"
#include "hook.h"

namespace cosim_native
{
using namespace ns3;

// Counts data frames per (transmitter, receiver), as the two PHYs see them: unicast ones or, where
// the transport broadcasts, those to everybody, which count on each link of their sender. Keeps the
// power at which each device last heard each other one, and whether it did so in this round.
class LinkProbe
{
  public:
    LinkProbe(int numDevices, bool countsBroadcasts)
        : n(numDevices),
          m_countsBroadcasts(countsBroadcasts),
          m_lastSentAt(numDevices),
          m_powerDbm(static_cast<size_t>(n) * n, UNHEARD_DBM)
    {
        Reset();
    }

    void Attach(int device, Ptr<WifiPhy> phy, Mac48Address address)
    {
        m_deviceOf.Add(address, device);
        phy->TraceConnectWithoutContext(
            "PhyTxPsduBegin",
            Hook<void, WifiConstPsduMap, WifiTxVector, double>(
                [this, device, p = PeekPointer(phy)](WifiConstPsduMap psdus,
                                                     WifiTxVector txVector,
                                                     double) {
                    OnTransmit(device, p->GetPhyBand(), psdus, txVector);
                }));
        phy->GetState()->TraceConnectWithoutContext(
            "RxOutcome",
            Hook<void,
                 Ptr<const WifiPpdu>,
                 RxSignalInfo,
                 const WifiTxVector&,
                 const std::vector<bool>&>([this, device](Ptr<const WifiPpdu> ppdu,
                                                          RxSignalInfo signal,
                                                          const WifiTxVector&,
                                                          const std::vector<bool>& outcomes) {
                OnReceive(device, PeekPointer(ppdu), signal, outcomes);
            }));
    }

    // A radio between devices: what it passes on counts for the link between the two ends. The third
    // address of a data frame is then the end that the other two do not name.
    void AttachRelay(Ptr<WifiPhy> phy)
    {
        phy->TraceConnectWithoutContext(
            "PhyTxPsduBegin",
            Hook<void, WifiConstPsduMap, WifiTxVector, double>(
                [this, p = PeekPointer(phy)](WifiConstPsduMap psdus, WifiTxVector txVector, double) {
                    OnTransmit(RELAY, p->GetPhyBand(), psdus, txVector);
                }));
        phy->GetState()->TraceConnectWithoutContext(
            "RxOutcome",
            Hook<void,
                 Ptr<const WifiPpdu>,
                 RxSignalInfo,
                 const WifiTxVector&,
                 const std::vector<bool>&>([this](Ptr<const WifiPpdu> ppdu,
                                                  RxSignalInfo signal,
                                                  const WifiTxVector&,
                                                  const std::vector<bool>& outcomes) {
                OnReceive(RELAY, PeekPointer(ppdu), signal, outcomes);
            }));
    }

    // Of the last frame that was received, beacons too; UNHEARD_DBM before the first.
    double ReceivedPowerDbm(Mac48Address from, int device) const
    {
        const int sender = DeviceOf(from);
        NS_ABORT_MSG_IF(sender == RELAY, "expected the address of a device, got " << from);
        return m_powerDbm[Link(sender, device)];
    }

    // Whether a frame of any kind that names its sender was received, by anybody's address.
    bool HeardInRound(int from, int device) const
    {
        return m_heardInRound[Link(from, device)];
    }

    void Reset()
    {
        m_resetAt = Simulator::Now();
        m_heardInRound.assign(static_cast<size_t>(n) * n, false);
        for (auto* counts : {&sentFrames, &receivedFrames, &airtimeS, &receivedBytes, &sinrDbSum,
                             &rateBpsSum, &sinrSamples})
        {
            counts->assign(static_cast<size_t>(n) * n, 0.0);
        }
    }

    int n;
    std::vector<double> sentFrames;     // MPDUs put on the air, retransmissions included
    std::vector<double> receivedFrames; // of these, received without error by their addressee
    std::vector<double> airtimeS;       // duration of the PPDUs
    std::vector<double> receivedBytes;  // MPDU bytes received without error
    std::vector<double> sinrDbSum;      // over received PPDUs
    std::vector<double> sinrSamples;
    std::vector<double> rateBpsSum; // PHY rate, over sent MPDUs

  private:
    static constexpr double UNHEARD_DBM = -200;
    static constexpr int RELAY = -1;

    int DeviceOf(Mac48Address address) const
    {
        return m_deviceOf.Find(address, RELAY);
    }

    // The ends of a data frame; RELAY where it is for all, or no device's.
    std::pair<int, int> EndsOf(const WifiMacHeader& header) const
    {
        if (!header.HasData() || header.GetAddr1().IsGroup())
        {
            return {RELAY, RELAY};
        }
        const int to = header.IsToDs() && !header.IsFromDs() ? DeviceOf(header.GetAddr3())
                                                             : DeviceOf(header.GetAddr1());
        const int from = header.IsFromDs() && !header.IsToDs() ? DeviceOf(header.GetAddr3())
                                                               : DeviceOf(header.GetAddr2());
        return {from, to};
    }

    // The MPDUs of a PSDU by link: those that a station sends to its access point may be for several.
    struct Share
    {
        double frames{0};
        double bytes{0};
        double received{0};
        double receivedBytes{0};
    };

    std::map<size_t, Share> SharesOf(const WifiPsdu& psdu,
                                     const std::vector<bool>* outcomes = nullptr) const
    {
        std::map<size_t, Share> shares;
        for (size_t i = 0; i < psdu.GetNMpdus(); ++i)
        {
            const auto [from, to] = EndsOf(psdu.GetHeader(i));
            if (from == RELAY || to == RELAY)
            {
                continue;
            }
            const double bytes = (*std::next(psdu.begin(), i))->GetSize();
            Share& share = shares[Link(from, to)];
            share.frames += 1;
            share.bytes += bytes;
            if (outcomes && i < outcomes->size() && (*outcomes)[i])
            {
                share.received += 1;
                share.receivedBytes += bytes;
            }
        }
        return shares;
    }

    bool IsBroadcast(const WifiPsdu& psdu) const
    {
        return m_countsBroadcasts && psdu.GetHeader(0).HasData() && psdu.GetAddr1().IsGroup();
    }

    size_t Link(int from, int to) const
    {
        return static_cast<size_t>(from) * n + to;
    }

    void OnTransmit(int device,
                    WifiPhyBand band,
                    const WifiConstPsduMap& psdus,
                    const WifiTxVector& txVector)
    {
        (device == RELAY ? m_relaySentAt : m_lastSentAt[device]) = Simulator::Now();
        for (const auto& [staId, psdu] : psdus)
        {
            const double rateBps = txVector.GetMode(staId).GetDataRate(txVector, staId);
            const double onAirS =
                WifiPhy::CalculateTxDuration(psdus, txVector, band).GetSeconds();
            if (IsBroadcast(*psdu))
            {
                for (int to = 0; to < n; ++to)
                {
                    if (to != device)
                    {
                        CountSent(Link(device, to), psdu->GetNMpdus(), rateBps, onAirS);
                    }
                }
                continue;
            }
            const auto shares = SharesOf(*psdu);
            double bytes = 0;
            for (const auto& [link, share] : shares)
            {
                bytes += share.bytes;
            }
            for (const auto& [link, share] : shares)
            {
                CountSent(link, share.frames, rateBps, onAirS * (share.bytes / bytes));
            }
        }
    }

    void CountSent(size_t link, double frames, double rateBps, double onAirS)
    {
        sentFrames[link] += frames;
        rateBpsSum[link] += frames * rateBps;
        airtimeS[link] += onAirS;
    }

    void OnReceive(int device,
                   const WifiPpdu* ppdu,
                   const RxSignalInfo& signal,
                   const std::vector<bool>& outcomes)
    {
        const auto psdu = ppdu->GetPsdu();
        // ns-3 fills in the signal of a PPDU only if some of it was received.
        const bool heard = std::find(outcomes.begin(), outcomes.end(), true) != outcomes.end();
        const int sender = DeviceOf(psdu->GetAddr2());
        if (heard && device != RELAY && sender != RELAY)
        {
            m_powerDbm[Link(sender, device)] = signal.rssi;
            m_heardInRound[Link(sender, device)] = true;
        }
        // A frame that was on the air when the round began was counted as sent in the last one.
        if ((sender == RELAY ? m_relaySentAt : m_lastSentAt[sender]) < m_resetAt)
        {
            return;
        }
        std::map<size_t, Share> shares;
        if (IsBroadcast(*psdu) && sender != RELAY && device != RELAY)
        {
            Share& share = shares[Link(sender, device)];
            for (size_t i = 0; i < outcomes.size(); ++i)
            {
                share.received += outcomes[i];
                share.receivedBytes += outcomes[i] ? (*std::next(psdu->begin(), i))->GetSize() : 0;
            }
        }
        else if (device != RELAY ? DeviceOf(psdu->GetAddr1()) == device
                                 : psdu->GetHeader(0).IsToDs())
        {
            shares = SharesOf(*psdu, &outcomes);
        }
        for (const auto& [link, share] : shares)
        {
            receivedFrames[link] += share.received;
            receivedBytes[link] += share.receivedBytes;
            if (heard)
            {
                sinrDbSum[link] += 10 * std::log10(signal.snr); // what ns-3 calls so has interference
                sinrSamples[link] += 1;
            }
        }
    }

    bool m_countsBroadcasts;
    ByMac m_deviceOf;
    std::vector<Time> m_lastSentAt;
    Time m_relaySentAt;
    std::vector<double> m_powerDbm;
    std::vector<bool> m_heardInRound;
    Time m_resetAt;
};

// Seconds per radio state and round from the PHY's own State trace: the other side of the energy
// check. The trace tells of a state when it ends (a transmission when it starts), so intervals are
// cut at the round boundaries afterwards.
class StateAudit
{
  public:
    struct Interval
    {
        int64_t startNs;
        int64_t durationNs;
        int state; // a WifiPhyState
    };

    explicit StateAudit(int numDevices)
        : m_intervals(numDevices)
    {
    }

    void Attach(int device, Ptr<WifiPhy> phy)
    {
        phy->GetState()->TraceConnectWithoutContext(
            "State",
            Hook<void, Time, Time, WifiPhyState>(
                [this, device](Time start, Time duration, WifiPhyState state) {
                    OnState(device, start, duration, state);
                }));
    }

    size_t NumIntervals(int device) const
    {
        return m_intervals[device].size();
    }

    // Seconds in one WifiPhyState between two instants.
    double SecondsBetween(int device, int state, int64_t fromNs, int64_t toNs) const
    {
        int64_t totalNs = 0;
        for (const auto& interval : m_intervals[device])
        {
            if (interval.state == state)
            {
                const int64_t start = std::max(interval.startNs, fromNs);
                const int64_t end = std::min(interval.startNs + interval.durationNs, toNs);
                totalNs += std::max<int64_t>(end - start, 0);
            }
        }
        return 1e-9 * totalNs;
    }

  private:
    void OnState(int device, Time start, Time duration, WifiPhyState state)
    {
        auto& intervals = m_intervals[device];
        const Interval next{start.GetNanoSeconds(),
                            duration.GetNanoSeconds(),
                            static_cast<int>(state)};
        // A transmission that is cut short (radio switched off) is told twice; the later word holds.
        if (!intervals.empty() && intervals.back().startNs == next.startNs &&
            intervals.back().state == next.state)
        {
            intervals.back() = next;
            return;
        }
        intervals.push_back(next);
    }

    std::vector<std::vector<Interval>> m_intervals;
};

} // namespace cosim_native
