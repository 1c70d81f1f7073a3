// A device's end of all its transfers; each transport has an endpoint of its own.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "ns3/inet-socket-address.h"
#include "ns3/node.h"
#include "ns3/packet.h"
#include "ns3/random-variable-stream.h"
#include "ns3/simulator.h"
#include "ns3/udp-socket-factory.h"

#include "hook.h"
#include "ledger.h"
#include "network.h"

namespace cosim_native
{
using namespace ns3;

class Endpoint
{
  public:
    Endpoint(int device, Ptr<Node> node, Ledger* ledger, const Transport& transport)
        : m_device(device),
          m_node(node),
          m_ledger(ledger),
          m_transport(transport),
          m_uniform(CreateObject<UniformRandomVariable>())
    {
        m_uniform->SetStream(FIRST_STREAM + device);
        m_socket = Socket::CreateSocket(node, UdpSocketFactory::GetTypeId());
        m_socket->Bind(InetSocketAddress(Ipv4Address::GetAny(), PORT));
        m_socket->SetIpTos(static_cast<uint8_t>(transport.tos));
        m_socket->SetRecvCallback(
            Hook<void, Ptr<Socket>>([this](Ptr<Socket> socket) { OnDatagram(socket); }));
    }

    virtual ~Endpoint() = default;

    virtual void AddPeer(int device, Ipv4Address address)
    {
        m_deviceOf[address] = device;
        m_addressOf[device] = address;
    }

    // Forgets the last round. Frames of it that are still queued in the MACs stay on their way.
    void BeginRound(uint32_t round, double periodS)
    {
        m_round = round;
        m_roundEnd = Simulator::Now() + Seconds(periodS);
        m_startDelayS = MAX_START_DELAY_S * m_uniform->GetValue();
        staleDatagrams = 0;
        m_diedInRound = m_dead;
        m_heard.clear();
        m_firstTryAt.clear();
        Forget();
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
    virtual void Greet(int peer)
    {
        const uint32_t greeting = GREETING;
        m_socket->SendTo(
            Create<Packet>(reinterpret_cast<const uint8_t*>(&greeting), sizeof(greeting)),
            0,
            InetSocketAddress(m_addressOf.at(peer), PORT));
    }

    // From now on the message is on offer to its destination, behind earlier ones to the same.
    // A device that finishes computing after its round has ended keeps its message.
    void Submit(int message, uint32_t round)
    {
        if (!m_dead && !m_diedInRound && round == m_round)
        {
            Offer(message);
        }
    }

    // Whether a peer that had time to answer was not heard at all in this round.
    bool IsUnheard(int peer) const
    {
        const auto tried = m_firstTryAt.find(peer);
        return tried != m_firstTryAt.end() && !HasHeard(peer) &&
               (Simulator::Now() - tried->second).GetSeconds() >= ANSWER_S;
    }

    // Ends all sending; what is on its way stays there.
    virtual void EndRound() = 0;

    void Die()
    {
        m_dead = m_diedInRound = true;
        EndRound();
        Forget();
        for (size_t i = 0; i < m_ledger->messages.size(); ++i)
        {
            if (m_ledger->messages[i].src == m_device || m_ledger->messages[i].dst == m_device)
            {
                m_ledger->Settle(static_cast<int>(i));
            }
        }
    }

    // Hears and answers at once; has messages of its own from the next round on.
    void Revive()
    {
        m_dead = false;
    }

    // Called with the peer when its path looks dead, as Linux TCP's negative advice to routing.
    std::function<void(int)> onPathSuspect;
    // Whether the radio received a frame of the peer in this round.
    std::function<bool(int)> hearsFrames;
    int64_t staleDatagrams{0}; // datagrams of an earlier round that arrived in this one

    static constexpr uint16_t PORT = 9000;
    static constexpr uint32_t GREETING = 0x48454c4f; // no answer

  protected:
    // How long the answer of a peer may take of which nothing is known yet.
    static constexpr double ANSWER_S = 0.5;

    bool HasHeard(int peer) const
    {
        return m_heard.count(peer) > 0 || (hearsFrames && hearsFrames(peer));
    }

    // Something is sent to the peer, which may answer from now on.
    void Try(int peer)
    {
        m_firstTryAt.try_emplace(peer, Simulator::Now());
    }

    void Hear(int peer)
    {
        m_heard.insert(peer);
    }

    virtual void Forget() = 0;
    virtual void Offer(int message) = 0;
    virtual void OnPacket(int peer, Ptr<Packet> packet) = 0;

    int m_device;
    Ptr<Node> m_node;
    Ledger* m_ledger;
    Transport m_transport;
    Ptr<Socket> m_socket;
    Ptr<UniformRandomVariable> m_uniform;
    std::map<int, Ipv4Address> m_addressOf;
    uint32_t m_round{0};
    Time m_roundEnd;
    bool m_dead{false};

    // The device at an address, -1 if it is none of ours.
    int DeviceAt(const Address& address) const
    {
        const auto found = m_deviceOf.find(InetSocketAddress::ConvertFrom(address).GetIpv4());
        return found == m_deviceOf.end() ? -1 : found->second;
    }

  private:
    static constexpr int64_t FIRST_STREAM = 1 << 20; // clear of those of the radios and the mesh
    static constexpr double MAX_START_DELAY_S = 0.020;

    void OnDatagram(Ptr<Socket> socket)
    {
        Address from;
        while (Ptr<Packet> packet = socket->RecvFrom(from))
        {
            uint32_t kind = 0;
            packet->CopyData(reinterpret_cast<uint8_t*>(&kind), sizeof(kind));
            const int peer = DeviceAt(from);
            if (!m_dead && peer >= 0 && kind != GREETING)
            {
                Hear(peer);
                OnPacket(peer, packet);
            }
        }
    }

    double m_startDelayS{0};
    bool m_diedInRound{false};
    std::map<Ipv4Address, int> m_deviceOf;
    std::set<int> m_heard; // in this round, from end to end
    std::map<int, Time> m_firstTryAt;
};

} // namespace cosim_native
