// End-to-end transfers: selective acknowledgements over UDP, one connection per pair of devices.
//
// A message is cut into segments. The receiver acknowledges what it has (cumulative number and a
// bitmap). A segment that was sent clearly before one that has arrived is taken as lost (as RACK,
// RFC 8985) and sent again; a silent peer is probed by time-outs with back-off (RFC 6298), and
// after GIVE_UP_TIMEOUTS of them in a row the connection gives up its messages. The window grows
// and shrinks by slow start and additive increase, multiplicative decrease (RFC 5681).
//
// The ledger holds what each message came to: bytes handed to the socket (first transmissions),
// bytes that the sender knows to have arrived, bytes at the receiver and when the last came.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "ns3/inet-socket-address.h"
#include "ns3/node.h"
#include "ns3/packet.h"
#include "ns3/random-variable-stream.h"
#include "ns3/simulator.h"
#include "ns3/udp-socket-factory.h"

#include "hook.h"

namespace cosim_native
{
using namespace ns3;

struct Message
{
    int src;
    int dst;
    int64_t bytes;
    int64_t handedBytes{0};
    int64_t ackedBytes{0};
    int64_t deliveredBytes{0};
    int64_t finishedNs{-1};
    int64_t retransmissions{0};
    bool gaveUp{false};
    bool settled{false};
};

class Ledger
{
  public:
    void Clear()
    {
        messages.clear();
        m_open = 0;
    }

    int Add(int src, int dst, int64_t bytes)
    {
        messages.push_back(Message{src, dst, bytes});
        ++m_open;
        return static_cast<int>(messages.size()) - 1;
    }

    // A message is settled when it is whole at the receiver, given up, or cut off by a death.
    void Settle(int message)
    {
        if (!messages[message].settled)
        {
            messages[message].settled = true;
            --m_open;
            if (m_open == 0 && onAllSettled)
            {
                onAllSettled();
            }
        }
    }

    int64_t NumOpen() const
    {
        return m_open;
    }

    std::vector<Message> messages;
    std::function<void()> onAllSettled;

  private:
    int64_t m_open{0};
};

struct DataHeader
{
    uint32_t kind;
    uint32_t round;
    uint32_t sequence;
    uint32_t message;
    uint32_t length;
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
constexpr uint32_t KIND_GREETING = 0x48454c4f; // no answer

class Endpoint
{
  public:
    static constexpr uint16_t PORT = 9000;

    Endpoint(int device, Ptr<Node> node, Ledger* ledger, uint32_t segmentBytes, double maxWindow)
        : m_device(device),
          m_ledger(ledger),
          m_segmentBytes(segmentBytes),
          m_maxWindow(maxWindow),
          m_uniform(CreateObject<UniformRandomVariable>())
    {
        m_uniform->SetStream(FIRST_STREAM + device);
        m_socket = Socket::CreateSocket(node, UdpSocketFactory::GetTypeId());
        m_socket->Bind(InetSocketAddress(Ipv4Address::GetAny(), PORT));
        m_socket->SetRecvCallback(
            Hook<void, Ptr<Socket>>([this](Ptr<Socket> socket) { OnReceive(socket); }));
    }

    void AddPeer(int device, Ipv4Address address)
    {
        m_deviceOf[address] = device;
        m_senders[device].peer = device;
        m_senders[device].address = address;
        m_receivers[device].address = address;
    }

    // Forgets the last round. Frames of it that are still queued in the MACs stay on their way.
    void BeginRound(uint32_t round)
    {
        m_round = round;
        m_startDelayS = MAX_START_DELAY_S * m_uniform->GetValue();
        staleDatagrams = 0;
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

    // Devices that finish computing at the same nanosecond would all find the medium free, send
    // their path requests at once, lose them to each other, and repeat that at every retry. Real
    // ones differ: each starts a little later, by a delay that is drawn anew every round.
    double StartDelayS() const
    {
        return m_startDelayS;
    }

    double UniformIn(double low, double high) const
    {
        return m_uniform->GetValue(low, high);
    }

    // Makes the MAC find a path to the peer and agree on block acknowledgements along it.
    void Greet(int peer)
    {
        const uint32_t kind = KIND_GREETING;
        m_socket->SendTo(
            Create<Packet>(reinterpret_cast<const uint8_t*>(&kind), sizeof(kind)),
            0,
            InetSocketAddress(m_senders.at(peer).address, PORT));
    }

    // From now on the message is on offer to its destination, behind earlier ones to the same.
    // A device that finishes computing after its round has ended keeps its message.
    void Submit(int message, uint32_t round)
    {
        if (m_dead || round != m_round)
        {
            return;
        }
        Sender& s = m_senders.at(m_ledger->messages[message].dst);
        int64_t left = m_ledger->messages[message].bytes;
        while (left > 0)
        {
            const auto length = static_cast<uint32_t>(std::min<int64_t>(left, m_segmentBytes));
            s.segments.push_back(Segment{static_cast<uint32_t>(message), length});
            left -= length;
        }
        Send(s);
    }

    void EndRound()
    {
        for (auto& [peer, s] : m_senders)
        {
            s.timer.Cancel();
        }
        for (auto& [peer, r] : m_receivers)
        {
            r.ackTimer.Cancel();
        }
    }

    void Die()
    {
        m_dead = true;
        EndRound();
        for (size_t i = 0; i < m_ledger->messages.size(); ++i)
        {
            if (m_ledger->messages[i].src == m_device || m_ledger->messages[i].dst == m_device)
            {
                m_ledger->Settle(static_cast<int>(i));
            }
        }
    }

    // Called with the peer when its path looks dead, as Linux TCP's negative advice to routing.
    std::function<void(int)> onPathSuspect;
    int64_t staleDatagrams{0}; // datagrams of an earlier round that arrived in this one

  private:
    static constexpr int64_t FIRST_STREAM = 1 << 20; // clear of those of the radios and the mesh
    static constexpr double MAX_START_DELAY_S = 0.020;
    static constexpr double RTO_SPREAD = 0.25;
    static constexpr int GIVE_UP_TIMEOUTS = 10;
    static constexpr double INITIAL_WINDOW = 8;
    static constexpr double INITIAL_RTO_S = 0.5;
    static constexpr double MIN_RTO_S = 0.2;
    static constexpr double MAX_RTO_S = 0.8;
    static constexpr double MIN_REORDERING_S = 0.010;
    static constexpr uint32_t ACK_EVERY = 8;
    static constexpr int64_t ACK_DELAY_MS = 10;

    struct Segment
    {
        uint32_t message;
        uint32_t length;
        int64_t sentNs{-1};
        bool inFlight{false};
        bool acked{false};
    };

    struct Sender
    {
        int peer{-1};
        Ipv4Address address;
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
        Ipv4Address address;
        std::vector<bool> arrived;
        uint32_t cumulative{0};
        uint32_t unacknowledged{0};
        int64_t echoNs{0};
        EventId ackTimer;
    };

    double RtoS(const Sender& s) const
    {
        const double base = s.smoothedRttS < 0
                                ? INITIAL_RTO_S
                                : std::max(s.smoothedRttS + 4 * s.rttVariationS, MIN_RTO_S);
        return std::min(base * (1 << std::min(s.timeouts, 8)), MAX_RTO_S);
    }

    void Send(Sender& s)
    {
        while (!m_dead && !s.gaveUp && s.inFlight < s.window)
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
        Segment& segment = s.segments[sequence];
        Message& message = m_ledger->messages[segment.message];
        const bool first = segment.sentNs < 0;
        const bool isLast = s.lost.empty() && s.next >= s.segments.size();
        segment.sentNs = Simulator::Now().GetNanoSeconds();
        segment.inFlight = true;
        ++s.inFlight;
        DataHeader header{KIND_DATA,        m_round,  sequence,      segment.message,
                          segment.length,   isLast,   segment.sentNs};
        std::vector<uint8_t> datagram(sizeof(header) + segment.length, 0);
        std::memcpy(datagram.data(), &header, sizeof(header));
        const int sent = m_socket->SendTo(
            Create<Packet>(datagram.data(), static_cast<uint32_t>(datagram.size())),
            0,
            InetSocketAddress(s.address, PORT));
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
        if (s.timeouts >= GIVE_UP_TIMEOUTS)
        {
            GiveUp(s);
            return;
        }
        ++s.silence;
        // After 2, 4, 8, ... time-outs: a path that was just found anew gets its chance.
        if (s.silence >= 2 && (s.silence & (s.silence - 1)) == 0 && onPathSuspect)
        {
            onPathSuspect(s.peer);
        }
        for (uint32_t i = s.firstUnacked; i < s.next; ++i)
        {
            MarkLost(s, i);
        }
        s.threshold = std::max(s.window / 2, 4.0);
        s.window = 2;
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
            Message& message = m_ledger->messages[s.segments[i].message];
            if (!message.settled)
            {
                message.gaveUp = true;
                m_ledger->Settle(static_cast<int>(s.segments[i].message));
            }
        }
    }

    void OnReceive(Ptr<Socket> socket)
    {
        Address from;
        while (Ptr<Packet> packet = socket->RecvFrom(from))
        {
            const auto peer = m_deviceOf.find(InetSocketAddress::ConvertFrom(from).GetIpv4());
            if (m_dead || peer == m_deviceOf.end())
            {
                continue;
            }
            uint32_t kind = 0;
            packet->CopyData(reinterpret_cast<uint8_t*>(&kind), sizeof(kind));
            if (kind == KIND_DATA)
            {
                DataHeader header;
                packet->CopyData(reinterpret_cast<uint8_t*>(&header), sizeof(header));
                OnData(m_receivers.at(peer->second), header);
            }
            else if (kind == KIND_ACK)
            {
                AckHeader header;
                packet->CopyData(reinterpret_cast<uint8_t*>(&header), sizeof(header));
                OnAck(m_senders.at(peer->second), header);
            }
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
        if (!r.arrived[header.sequence])
        {
            r.arrived[header.sequence] = true;
            Message& message = m_ledger->messages[header.message];
            message.deliveredBytes += header.length;
            if (message.deliveredBytes == message.bytes)
            {
                message.finishedNs = Simulator::Now().GetNanoSeconds();
                m_ledger->Settle(static_cast<int>(header.message));
            }
        }
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
                         InetSocketAddress(r.address, PORT));
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
                m_ledger->messages[s.segments[i].message].ackedBytes += s.segments[i].length;
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
            s.window = std::min(s.window, m_maxWindow);
        }
        DetectLoss(s, header.echoNs);
        Send(s);
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

    int m_device;
    Ledger* m_ledger;
    uint32_t m_segmentBytes;
    double m_maxWindow;
    Ptr<Socket> m_socket;
    Ptr<UniformRandomVariable> m_uniform;
    double m_startDelayS{0};
    uint32_t m_round{0};
    bool m_dead{false};
    std::map<Ipv4Address, int> m_deviceOf;
    std::map<int, Sender> m_senders;
    std::map<int, Receiver> m_receivers;
};

} // namespace cosim_native
