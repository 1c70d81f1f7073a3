// Transfers with answers: selective acknowledgements over UDP, one connection per pair of devices.
//
// A message is cut into segments. The receiver acknowledges what it has (cumulative number and a
// bitmap). A segment that was sent clearly before one that has arrived is taken as lost (as RACK,
// RFC 8985) and sent again; a silent peer is probed by time-outs with back-off (RFC 6298), and
// after GIVE_UP_TIMEOUTS of them in a row the connection gives up its messages, and much sooner those
// to a peer of which nothing was heard in the round; the next round tries anew. The window grows and
// shrinks by slow start and additive increase, multiplicative decrease (RFC 5681).
//
// A device sends to few peers at once (places.h), since its frames to many would meet the answers of
// its own peers. A peer that is not known to answer, or did not, is only probed, one segment a
// time-out, and waits for a place when it answers: so nobody waits for it.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "endpoint.h"
#include "places.h"

namespace cosim_native
{
using namespace ns3;

struct DataHeader
{
    uint32_t kind;
    uint32_t round;
    uint32_t sequence;
    uint32_t part;
    uint32_t chunk; // of the message
    uint32_t isLast; // nothing waits behind this segment: acknowledge at once
    int64_t sentNs;
};

struct AckHeader
{
    static constexpr uint32_t BITS = 256;
    uint32_t kind;
    uint32_t round;
    uint32_t cumulative; // all segments below this one have arrived
    uint32_t pad;
    int64_t echoNs;               // when the segment that caused this acknowledgement was sent
    std::array<uint8_t, BITS / 8> bitmap; // segments from `cumulative` on
};

constexpr uint32_t KIND_DATA = 0x44415441;
constexpr uint32_t KIND_ACK = 0x41434b21;

class ArqEndpoint : public Endpoint
{
  public:
    ArqEndpoint(int device, Ptr<Node> node, Ledger* ledger, const Transport& transport)
        : Endpoint(device, node, ledger, transport),
          m_places(static_cast<size_t>(transport.peersAtOnce))
    {
    }

    void AddPeer(int device, Ipv4Address address) override
    {
        Endpoint::AddPeer(device, address);
        m_senders[device].peer = device;
        m_receivers[device].peer = device;
    }

    void EndRound() override
    {
        m_admission.Cancel();
        m_places.Clear();
        for (auto& [peer, s] : m_senders)
        {
            s.timer.Cancel();
        }
        for (auto& [peer, r] : m_receivers)
        {
            r.ackTimer.Cancel();
        }
    }

  private:
    static constexpr double RTO_SPREAD = 0.25;
    static constexpr int GIVE_UP_TIMEOUTS = 10;
    // Of a peer not heard in this round: if it never was before, and if it was.
    static constexpr int UNKNOWN_TIMEOUTS = 2;
    static constexpr int UNHEARD_TIMEOUTS = 3;
    static constexpr double INITIAL_WINDOW = 8;
    static constexpr double INITIAL_RTO_S = ANSWER_S;
    static constexpr double MIN_RTO_S = 0.2;
    static constexpr double MAX_RTO_S = 0.8;
    static constexpr double MIN_REORDERING_S = 0.010;
    static constexpr uint32_t ACK_EVERY = 8;
    static constexpr int64_t ACK_DELAY_MS = 10;

    struct Segment
    {
        int message;
        uint32_t chunk;
        int64_t sentNs{-1};
        bool inFlight{false};
        bool acked{false};
    };

    struct Sender
    {
        int peer{-1};
        std::vector<Segment> segments;
        std::deque<uint32_t> lost;
        uint32_t next{0};
        uint32_t firstUnacked{0};
        uint32_t inFlight{0};
        double window{INITIAL_WINDOW};
        double threshold{1e9};
        double smoothedRttS{-1};
        double rttVariationS{0};
        int timeouts{0}; // in this round, since the last acknowledgement
        int silence{0};  // the same, over rounds
        bool gaveUp{false};
        int64_t recoverUntilNs{0};
        EventId timer;
    };

    struct Receiver
    {
        int peer{-1};
        std::vector<bool> arrived;
        uint32_t cumulative{0};
        uint32_t unacknowledged{0};
        int64_t echoNs{0};
        EventId ackTimer;
    };

    void Forget() override
    {
        m_admission.Cancel();
        m_places.Clear();
        for (auto& [peer, s] : m_senders)
        {
            s.timer.Cancel();
            s.segments.clear();
            s.lost.clear();
            s.next = s.firstUnacked = 0;
            s.inFlight = 0;
            s.timeouts = 0;
            s.gaveUp = false;
            s.recoverUntilNs = 0;
        }
        for (auto& [peer, r] : m_receivers)
        {
            r.ackTimer.Cancel();
            r.arrived.clear();
            r.cumulative = r.unacknowledged = 0;
        }
    }

    void Offer(int message) override
    {
        Sender& s = m_senders.at(m_ledger->messages[message].dst);
        if (s.gaveUp)
        {
            m_ledger->GiveUp(message);
            return;
        }
        for (uint32_t chunk = 0; chunk < m_ledger->NumChunks(message); ++chunk)
        {
            s.segments.push_back(Segment{message, chunk});
        }
        if (m_places.Holds(s.peer) || !Answers(s))
        {
            Send(s);
            return;
        }
        m_places.Wait(s.peer, m_uniform->GetValue());
        if (!m_admission.IsPending())
        {
            // Behind all offers of this instant.
            m_admission = Simulator::ScheduleNow([this] { Admit(); });
        }
    }

    // Whether the last that was sent to the peer was answered, in this round or an earlier one.
    bool Answers(const Sender& s) const
    {
        return s.silence == 0 && (s.smoothedRttS >= 0 || HasHeard(s.peer));
    }

    double Window(const Sender& s) const
    {
        return m_places.Holds(s.peer) ? s.window : Answers(s) ? 0 : 1;
    }

    void Admit()
    {
        for (int peer = m_places.Next(); peer >= 0; peer = m_places.Next())
        {
            Send(m_senders.at(peer));
        }
    }

    double RtoS(const Sender& s) const
    {
        const double base = s.smoothedRttS < 0
                                ? INITIAL_RTO_S
                                : std::max(s.smoothedRttS + 4 * s.rttVariationS, MIN_RTO_S);
        return std::min(base * (1 << std::min(s.timeouts, 8)), MAX_RTO_S);
    }

    void Send(Sender& s)
    {
        while (!m_dead && !s.gaveUp && s.inFlight < Window(s))
        {
            uint32_t sequence;
            if (!s.lost.empty())
            {
                sequence = s.lost.front();
                s.lost.pop_front();
                if (s.segments[sequence].acked)
                {
                    continue;
                }
            }
            else if (s.next < s.segments.size())
            {
                sequence = s.next++;
            }
            else
            {
                break;
            }
            Transmit(s, sequence);
        }
        if (s.inFlight > 0 && !s.timer.IsPending())
        {
            // Spread, so that senders that lost to each other do not meet again.
            const double spread = 1 + RTO_SPREAD * m_uniform->GetValue();
            s.timer =
                Simulator::Schedule(Seconds(spread * RtoS(s)), [this, &s] { OnTimeout(s); });
        }
    }

    void Transmit(Sender& s, uint32_t sequence)
    {
        Try(s.peer);
        Segment& segment = s.segments[sequence];
        Message& message = m_ledger->messages[segment.message];
        const bool first = segment.sentNs < 0;
        const bool isLast = s.lost.empty() && s.next >= s.segments.size();
        segment.sentNs = Simulator::Now().GetNanoSeconds();
        segment.inFlight = true;
        ++s.inFlight;
        const DataHeader header{KIND_DATA,     m_round, sequence,      static_cast<uint32_t>(message.part),
                                segment.chunk, isLast,  segment.sentNs};
        const uint32_t length = m_ledger->ChunkLength(segment.message, segment.chunk);
        std::vector<uint8_t> datagram(sizeof(header) + length, 0);
        std::memcpy(datagram.data(), &header, sizeof(header));
        const int sent = m_socket->SendTo(
            Create<Packet>(datagram.data(), static_cast<uint32_t>(datagram.size())),
            0,
            InetSocketAddress(m_addressOf.at(s.peer), PORT));
        if (first)
        {
            // What the socket says that it took, less our header.
            message.handedBytes += std::max<int64_t>(sent - static_cast<int>(sizeof(header)), 0);
        }
        else
        {
            ++message.retransmissions;
        }
    }

    void OnTimeout(Sender& s)
    {
        if (m_dead || s.gaveUp || s.inFlight == 0)
        {
            return;
        }
        ++s.timeouts;
        ++s.silence;
        // After 2, 4, 8, ... time-outs: a path that was just found anew gets its chance.
        if (s.silence >= 2 && (s.silence & (s.silence - 1)) == 0 && onPathSuspect)
        {
            onPathSuspect(s.peer);
        }
        const int patience = s.smoothedRttS < 0 ? UNKNOWN_TIMEOUTS : UNHEARD_TIMEOUTS;
        if (s.timeouts >= (HasHeard(s.peer) ? GIVE_UP_TIMEOUTS : patience))
        {
            GiveUp(s);
            return;
        }
        for (uint32_t i = s.firstUnacked; i < s.next; ++i)
        {
            MarkLost(s, i);
        }
        s.threshold = std::max(s.window / 2, 4.0);
        s.window = 2;
        m_places.Leave(s.peer);
        Admit();
        Send(s);
    }

    void MarkLost(Sender& s, uint32_t sequence)
    {
        if (s.segments[sequence].inFlight)
        {
            s.segments[sequence].inFlight = false;
            --s.inFlight;
            s.lost.push_back(sequence);
        }
    }

    void GiveUp(Sender& s)
    {
        s.gaveUp = true;
        for (uint32_t i = s.firstUnacked; i < s.segments.size(); ++i)
        {
            m_ledger->GiveUp(s.segments[i].message);
        }
        m_places.Leave(s.peer);
        Admit();
    }

    void OnPacket(int peer, Ptr<Packet> packet) override
    {
        uint32_t kind = 0;
        packet->CopyData(reinterpret_cast<uint8_t*>(&kind), sizeof(kind));
        if (kind == KIND_DATA)
        {
            DataHeader header;
            packet->CopyData(reinterpret_cast<uint8_t*>(&header), sizeof(header));
            OnData(m_receivers.at(peer), header);
        }
        else if (kind == KIND_ACK)
        {
            AckHeader header;
            packet->CopyData(reinterpret_cast<uint8_t*>(&header), sizeof(header));
            OnAck(m_senders.at(peer), header);
        }
    }

    void OnData(Receiver& r, const DataHeader& header)
    {
        if (header.round != m_round)
        {
            ++staleDatagrams;
            return;
        }
        const bool inOrder = header.sequence == r.arrived.size();
        if (header.sequence >= r.arrived.size())
        {
            r.arrived.resize(header.sequence + 1, false);
        }
        r.arrived[header.sequence] = true;
        m_ledger->Arrive(r.peer, m_device, static_cast<int>(header.part), header.chunk);
        while (r.cumulative < r.arrived.size() && r.arrived[r.cumulative])
        {
            ++r.cumulative;
        }
        r.echoNs = header.sentNs;
        ++r.unacknowledged;
        if (!inOrder || header.isLast || r.unacknowledged >= ACK_EVERY)
        {
            Acknowledge(r);
        }
        else if (!r.ackTimer.IsPending())
        {
            r.ackTimer =
                Simulator::Schedule(MilliSeconds(ACK_DELAY_MS), [this, &r] { Acknowledge(r); });
        }
    }

    void Acknowledge(Receiver& r)
    {
        r.ackTimer.Cancel();
        if (m_dead)
        {
            return;
        }
        r.unacknowledged = 0;
        AckHeader header{KIND_ACK, m_round, r.cumulative, 0, r.echoNs, {}};
        for (uint32_t i = 0; i < AckHeader::BITS && r.cumulative + i < r.arrived.size(); ++i)
        {
            if (r.arrived[r.cumulative + i])
            {
                header.bitmap[i / 8] |= 1 << (i % 8);
            }
        }
        m_socket->SendTo(Create<Packet>(reinterpret_cast<uint8_t*>(&header), sizeof(header)),
                         0,
                         InetSocketAddress(m_addressOf.at(r.peer), PORT));
    }

    void OnAck(Sender& s, const AckHeader& header)
    {
        if (header.round != m_round || s.gaveUp)
        {
            return;
        }
        uint32_t newlyAcked = 0;
        const uint32_t end = std::min<uint32_t>(header.cumulative + AckHeader::BITS, s.next);
        for (uint32_t i = s.firstUnacked; i < end; ++i)
        {
            const uint32_t bit = i - header.cumulative;
            const bool arrived =
                i < header.cumulative || (header.bitmap[bit / 8] >> (bit % 8) & 1) != 0;
            if (arrived && !s.segments[i].acked)
            {
                newlyAcked += 1;
                s.segments[i].acked = true;
                m_ledger->messages[s.segments[i].message].ackedBytes +=
                    m_ledger->ChunkLength(s.segments[i].message, s.segments[i].chunk);
                if (s.segments[i].inFlight)
                {
                    s.segments[i].inFlight = false;
                    --s.inFlight;
                }
            }
        }
        while (s.firstUnacked < s.next && s.segments[s.firstUnacked].acked)
        {
            ++s.firstUnacked;
        }
        MeasureRtt(s, 1e-9 * (Simulator::Now().GetNanoSeconds() - header.echoNs));
        if (newlyAcked > 0)
        {
            s.timeouts = 0;
            s.silence = 0;
            s.timer.Cancel();
            s.window += s.window < s.threshold ? newlyAcked : newlyAcked / s.window;
            s.window = std::min(s.window, m_transport.maxWindow);
        }
        DetectLoss(s, header.echoNs);
        if (s.firstUnacked == s.segments.size())
        {
            m_places.Leave(s.peer);
        }
        else
        {
            m_places.Wait(s.peer, 1);
        }
        Send(s);
        Admit();
    }

    void MeasureRtt(Sender& s, double rttS)
    {
        if (s.smoothedRttS < 0)
        {
            s.smoothedRttS = rttS;
            s.rttVariationS = rttS / 2;
            return;
        }
        s.rttVariationS += (std::abs(s.smoothedRttS - rttS) - s.rttVariationS) / 4;
        s.smoothedRttS += (rttS - s.smoothedRttS) / 8;
    }

    // A segment sent a reordering time before one that has arrived did not make it.
    void DetectLoss(Sender& s, int64_t arrivedSentNs)
    {
        const auto reorderingNs =
            static_cast<int64_t>(1e9 * std::max(s.smoothedRttS / 4, MIN_REORDERING_S));
        bool anyLost = false;
        for (uint32_t i = s.firstUnacked; i < s.next; ++i)
        {
            const Segment& segment = s.segments[i];
            if (segment.inFlight && segment.sentNs + reorderingNs < arrivedSentNs)
            {
                anyLost = true;
                MarkLost(s, i);
            }
        }
        const int64_t nowNs = Simulator::Now().GetNanoSeconds();
        if (anyLost && nowNs > s.recoverUntilNs)
        {
            // One reduction per round trip.
            s.window = std::max(0.7 * s.window, 2.0);
            s.threshold = s.window;
            s.recoverUntilNs = nowNs + static_cast<int64_t>(1e9 * s.smoothedRttS);
        }
    }

    Places m_places;
    EventId m_admission;
    std::map<int, Sender> m_senders;
    std::map<int, Receiver> m_receivers;
};

} // namespace cosim_native
