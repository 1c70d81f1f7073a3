// Transfers over ns-3's TCP: one connection from each device to each peer, kept open over rounds.
//
// Messages travel as records, one a chunk. A message that its round leaves unfinished is abandoned
// between two records; what the connection already holds of it still arrives, as stale records.
#pragma once
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "ns3/tcp-header.h"
#include "ns3/tcp-socket-base.h"
#include "ns3/tcp-socket-factory.h"

#include "endpoint.h"

namespace cosim_native
{
using namespace ns3;

class StreamEndpoint : public Endpoint
{
  public:
    StreamEndpoint(int device, Ptr<Node> node, Ledger* ledger, const Transport& transport)
        : Endpoint(device, node, ledger, transport)
    {
        m_listener = Socket::CreateSocket(node, TcpSocketFactory::GetTypeId());
        m_listener->Bind(InetSocketAddress(Ipv4Address::GetAny(), PORT));
        m_listener->SetIpTos(static_cast<uint8_t>(transport.tos));
        m_listener->Listen();
        m_listener->SetAcceptCallback(
            Hook<bool, Ptr<Socket>, const Address&>([this](Ptr<Socket>, const Address& from) {
                return !m_dead && DeviceAt(from) >= 0;
            }),
            Hook<void, Ptr<Socket>, const Address&>([this](Ptr<Socket> socket, const Address& from) {
                OnAccept(socket, DeviceAt(from));
            }));
    }

    void AddPeer(int device, Ipv4Address address) override
    {
        Endpoint::AddPeer(device, address);
        m_outgoing[device].peer = device;
    }

    void Greet(int peer) override
    {
        Connect(m_outgoing.at(peer));
    }

    void EndRound() override
    {
        for (auto& [peer, out] : m_outgoing)
        {
            CountAcked(out);
            out.queue.clear();
        }
    }

  private:
    static constexpr double SUSPECT_AFTER_S = 0.5;

    struct Header
    {
        uint32_t round;
        uint32_t part;
        uint32_t chunk;
        uint32_t length;
    };

    struct Record
    {
        int message;
        uint32_t chunk;
    };

    // A record in the connection, up to this byte of the stream.
    struct Pushed
    {
        uint32_t round;
        int message;
        uint32_t length;
        uint64_t end;
    };

    struct Outgoing
    {
        int peer{-1};
        Ptr<Socket> socket;
        bool connected{false};
        uint64_t pushedBytes{0};
        uint32_t capacity{0}; // of the send buffer
        Time heardAt;         // of the last acknowledgement, or the start of waiting for one
        double suspectAfterS{SUSPECT_AFTER_S};
        std::deque<Record> queue;
        std::deque<Pushed> pushed; // not yet acknowledged
    };

    struct Incoming
    {
        int peer;
        std::vector<uint8_t> bytes; // of a record that is not whole
    };

    void Forget() override
    {
        for (auto& [peer, out] : m_outgoing)
        {
            out.queue.clear();
        }
    }

    void Offer(int message) override
    {
        Outgoing& out = m_outgoing.at(m_ledger->messages[message].dst);
        Try(out.peer);
        for (uint32_t chunk = 0; chunk < m_ledger->NumChunks(message); ++chunk)
        {
            out.queue.push_back(Record{message, chunk});
        }
        Connect(out);
        Push(out);
    }

    void Connect(Outgoing& out)
    {
        if (out.socket)
        {
            return;
        }
        out.socket = Socket::CreateSocket(m_node, TcpSocketFactory::GetTypeId());
        out.socket->Bind();
        out.socket->SetIpTos(static_cast<uint8_t>(m_transport.tos));
        out.pushedBytes = 0;
        out.socket->SetConnectCallback(Hook<void, Ptr<Socket>>([this, &out](Ptr<Socket>) {
                                           out.connected = true;
                                           Hear(out.peer);
                                           out.capacity = out.socket->GetTxAvailable();
                                           Push(out);
                                       }),
                                       Hook<void, Ptr<Socket>>([this, &out](Ptr<Socket> socket) {
                                           Lose(out, socket);
                                       }));
        out.socket->SetCloseCallbacks(
            Hook<void, Ptr<Socket>>([this, &out](Ptr<Socket> socket) { Lose(out, socket); }),
            Hook<void, Ptr<Socket>>([this, &out](Ptr<Socket> socket) { Lose(out, socket); }));
        out.socket->SetSendCallback(
            Hook<void, Ptr<Socket>, uint32_t>([this, &out](Ptr<Socket>, uint32_t) { Push(out); }));
        out.socket->TraceConnectWithoutContext(
            "Retransmission",
            Hook<void,
                 Ptr<const Packet>,
                 const TcpHeader&,
                 const Address&,
                 const Address&,
                 Ptr<const TcpSocketBase>>([this, &out](Ptr<const Packet>,
                                                        const TcpHeader&,
                                                        const Address&,
                                                        const Address&,
                                                        Ptr<const TcpSocketBase>) {
                CountRetransmission(out);
            }));
        out.socket->Connect(InetSocketAddress(m_addressOf.at(out.peer), PORT));
    }

    void Push(Outgoing& out)
    {
        if (!out.connected)
        {
            return;
        }
        CountAcked(out);
        while (!m_dead && !out.queue.empty())
        {
            const Record next = out.queue.front();
            Message& message = m_ledger->messages[next.message];
            const uint32_t length = m_ledger->ChunkLength(next.message, next.chunk);
            const Header header{m_round, static_cast<uint32_t>(message.part), next.chunk, length};
            std::vector<uint8_t> record(sizeof(header) + length, 0);
            const auto size = static_cast<uint32_t>(record.size());
            if (out.socket->GetTxAvailable() < size)
            {
                break;
            }
            out.queue.pop_front();
            std::memcpy(record.data(), &header, sizeof(header));
            if (out.pushed.empty())
            {
                out.heardAt = Simulator::Now();
            }
            // Booked first: sending may call back.
            out.pushedBytes += size;
            out.pushed.push_back(Pushed{m_round, next.message, length, out.pushedBytes});
            message.handedBytes += length;
            out.socket->Send(Create<Packet>(record.data(), size));
        }
    }

    void CountAcked(Outgoing& out)
    {
        if (!out.connected)
        {
            return;
        }
        const uint64_t acked =
            out.pushedBytes - std::min<uint64_t>(out.pushedBytes,
                                                 out.capacity - out.socket->GetTxAvailable());
        while (!out.pushed.empty() && out.pushed.front().end <= acked)
        {
            if (out.pushed.front().round == m_round)
            {
                m_ledger->messages[out.pushed.front().message].ackedBytes +=
                    out.pushed.front().length;
            }
            out.pushed.pop_front();
            Hear(out.peer);
            out.heardAt = Simulator::Now();
            out.suspectAfterS = SUSPECT_AFTER_S;
        }
    }

    void CountRetransmission(Outgoing& out)
    {
        CountAcked(out);
        // After some time-outs without an answer, and then after twice as many, as in arq.h.
        // Retransmissions themselves say little: fast ones come in numbers.
        const double silentS = (Simulator::Now() - out.heardAt).GetSeconds();
        if (silentS >= out.suspectAfterS && onPathSuspect)
        {
            out.suspectAfterS *= 2;
            onPathSuspect(out.peer);
        }
        if (!out.pushed.empty() && out.pushed.front().round == m_round)
        {
            ++m_ledger->messages[out.pushed.front().message].retransmissions;
        }
    }

    // TCP has given the connection up, and the messages of this round with it; the next message
    // opens a new one.
    void Lose(Outgoing& out, Ptr<Socket> socket)
    {
        if (out.socket != socket)
        {
            return;
        }
        for (const auto& pushed : out.pushed)
        {
            if (pushed.round == m_round)
            {
                m_ledger->GiveUp(pushed.message);
            }
        }
        for (const auto& record : out.queue)
        {
            m_ledger->GiveUp(record.message);
        }
        out.pushed.clear();
        out.queue.clear();
        out.connected = false;
        out.socket = nullptr;
    }

    void OnAccept(Ptr<Socket> socket, int peer)
    {
        m_accepted.push_back(socket);
        socket->SetIpTos(static_cast<uint8_t>(m_transport.tos));
        auto incoming = std::make_shared<Incoming>(Incoming{peer, {}});
        socket->SetRecvCallback(Hook<void, Ptr<Socket>>(
            [this, incoming](Ptr<Socket> from) { OnStream(*incoming, from); }));
    }

    void OnStream(Incoming& incoming, Ptr<Socket> socket)
    {
        Hear(incoming.peer);
        while (Ptr<Packet> packet = socket->Recv())
        {
            if (packet->GetSize() == 0)
            {
                break; // the peer has closed
            }
            const size_t before = incoming.bytes.size();
            incoming.bytes.resize(before + packet->GetSize());
            packet->CopyData(incoming.bytes.data() + before, packet->GetSize());
        }
        size_t at = 0;
        Header header;
        while (incoming.bytes.size() - at >= sizeof(header))
        {
            std::memcpy(&header, incoming.bytes.data() + at, sizeof(header));
            if (incoming.bytes.size() - at < sizeof(header) + header.length)
            {
                break;
            }
            at += sizeof(header) + header.length;
            OnRecord(incoming.peer, header);
        }
        incoming.bytes.erase(incoming.bytes.begin(),
                             incoming.bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }

    void OnRecord(int peer, const Header& header)
    {
        if (m_dead)
        {
            return;
        }
        if (header.round != m_round)
        {
            ++staleDatagrams;
            return;
        }
        m_ledger->Arrive(peer, m_device, static_cast<int>(header.part), header.chunk);
    }

    void OnPacket(int, Ptr<Packet>) override
    {
    }

    Ptr<Socket> m_listener;
    std::vector<Ptr<Socket>> m_accepted;
    std::map<int, Outgoing> m_outgoing;
};

} // namespace cosim_native
