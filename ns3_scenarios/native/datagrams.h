// Transfers without answers: each chunk is sent once, to one peer or to all in range at once.
//
// A device spreads its datagrams evenly, by a given rate or over SPREAD_SHARE of the time that the
// round has left; each gap is drawn from half to one and a half times the mean, so that senders do
// not stay in step. What the MAC drops or loses is not sent again.
#pragma once
#include <cstring>
#include <deque>
#include <set>
#include <vector>

#include "endpoint.h"

namespace cosim_native
{
using namespace ns3;

class DatagramEndpoint : public Endpoint
{
  public:
    DatagramEndpoint(int device,
                     Ptr<Node> node,
                     Ledger* ledger,
                     const Transport& transport,
                     Ipv4Address everybody)
        : Endpoint(device, node, ledger, transport),
          m_everybody(everybody),
          m_isBroadcast(transport.kind == "broadcast")
    {
        m_socket->SetAllowBroadcast(m_isBroadcast);
    }

    void EndRound() override
    {
        m_next.Cancel();
    }

  private:
    static constexpr uint32_t DATA = 0x44475241;
    static constexpr double SPREAD_SHARE = 0.8;

    struct Header
    {
        uint32_t kind;
        uint32_t round;
        uint32_t part;
        uint32_t chunk;
    };

    struct Datagram
    {
        int message;
        uint32_t chunk;
    };

    void Forget() override
    {
        m_next.Cancel();
        m_queue.clear();
        m_offered.clear();
    }

    void Offer(int message) override
    {
        Try(m_ledger->messages[message].dst);
        // One transmission serves all receivers of a part.
        if (m_isBroadcast && !m_offered.insert(m_ledger->messages[message].part).second)
        {
            return;
        }
        for (uint32_t chunk = 0; chunk < m_ledger->NumChunks(message); ++chunk)
        {
            m_queue.push_back(Datagram{message, chunk});
        }
        if (!m_next.IsPending())
        {
            m_spreadEnd = Simulator::Now() + SPREAD_SHARE * (m_roundEnd - Simulator::Now());
            // Behind all offers of this instant.
            m_next = Simulator::ScheduleNow([this] { SendNext(); });
        }
    }

    void SendNext()
    {
        const Datagram next = m_queue.front();
        m_queue.pop_front();
        const Message& message = m_ledger->messages[next.message];
        const uint32_t length = m_ledger->ChunkLength(next.message, next.chunk);
        const Header header{DATA, m_round, static_cast<uint32_t>(message.part), next.chunk};
        std::vector<uint8_t> datagram(sizeof(header) + length, 0);
        std::memcpy(datagram.data(), &header, sizeof(header));
        const auto to = m_isBroadcast ? m_everybody : m_addressOf.at(message.dst);
        const int sent =
            m_socket->SendTo(Create<Packet>(datagram.data(), static_cast<uint32_t>(datagram.size())),
                             0,
                             InetSocketAddress(to, PORT));
        if (sent == static_cast<int>(datagram.size()))
        {
            CountHanded(next.message, length);
        }
        if (!m_queue.empty())
        {
            const double gapS = m_uniform->GetValue(0.5, 1.5) * MeanGapS(datagram.size());
            m_next = Simulator::Schedule(Seconds(gapS), [this] { SendNext(); });
        }
    }

    void CountHanded(int message, uint32_t length)
    {
        const Message& sent = m_ledger->messages[message];
        if (!m_isBroadcast)
        {
            m_ledger->messages[message].handedBytes += length;
            return;
        }
        for (const auto& [dst, copy] : m_ledger->Copies(sent.src, sent.part))
        {
            m_ledger->messages[copy].handedBytes += length;
        }
    }

    double MeanGapS(size_t datagramBytes) const
    {
        if (m_transport.pacingBps > 0)
        {
            return 8.0 * static_cast<double>(datagramBytes) / m_transport.pacingBps;
        }
        const double leftS = (m_spreadEnd - Simulator::Now()).GetSeconds();
        return std::max(leftS, 0.0) / static_cast<double>(m_queue.size());
    }

    void OnPacket(int peer, Ptr<Packet> packet) override
    {
        Header header;
        packet->CopyData(reinterpret_cast<uint8_t*>(&header), sizeof(header));
        if (header.round != m_round)
        {
            ++staleDatagrams;
            return;
        }
        m_ledger->Arrive(peer, m_device, static_cast<int>(header.part), header.chunk);
    }

    Ipv4Address m_everybody;
    bool m_isBroadcast;
    std::deque<Datagram> m_queue;
    std::set<int> m_offered; // parts, in this round
    Time m_spreadEnd;
    EventId m_next;
};

} // namespace cosim_native
