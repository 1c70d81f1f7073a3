// What each device's radio sent and received for: messages of its own, those it forwards, those of
// others that it overhears, or the protocol's own frames.
//
// A message i -> j is named by the IP addresses of its datagrams; answers of the transport from j
// to i belong to it. An RTS, or a word on block acknowledgements, belongs to the data that last went
// over its hop, a CTS or an acknowledgement to what it answers. All seconds of a radio's sending and
// receiving are told apart so, by what its battery has counted between one frame and the next:
// nothing is counted twice or left out.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ns3/ipv4-address.h"
#include "ns3/mgt-action-headers.h"
#include "ns3/wifi-phy.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/wifi-psdu.h"

#include "by_mac.h"
#include "hook.h"
#include "message_ends.h"
#include "radio_battery.h"

namespace cosim_native
{
using namespace ns3;

class RadioCauses
{
  public:
    static constexpr int EVERYBODY = -1;

    explicit RadioCauses(int numDevices)
        : n(numDevices)
    {
        Reset();
    }

    void AddDevice(Ptr<WifiPhy> phy, Mac48Address mac, std::shared_ptr<RadioBattery> battery)
    {
        Attach(phy, mac, std::move(battery));
    }

    // A radio that is nobody's device; after all devices.
    void AddRelay(Ptr<WifiPhy> phy, Mac48Address mac)
    {
        Attach(phy, mac, nullptr);
    }

    void SetAddress(int device, Ipv4Address address)
    {
        m_deviceOf[address.Get()] = device;
    }

    void Reset()
    {
        const size_t pairs = static_cast<size_t>(n) * n;
        for (auto* table : {&senderTxS, &senderRxS, &receiverTxS, &receiverRxS, &airtimeS})
        {
            table->assign(pairs, 0.0);
        }
        for (auto* column : {&overheardRxS, &protocolTxS, &protocolRxS, &cutOffRxS})
        {
            column->assign(n, 0.0);
        }
        relayed.clear();
    }

    // Counts what goes on at this instant as far as it has come; its rest belongs to what follows.
    void Settle()
    {
        for (size_t k = 0; k < m_nodes.size(); ++k)
        {
            if (m_nodes[k].battery)
            {
                m_nodes[k].battery->Advance();
                CountSent(static_cast<int>(k));
                CountCutOff(static_cast<int>(k));
            }
        }
    }

    struct Seconds
    {
        double tx{0};
        double rx{0};
    };

    int n;
    // n x n, row i, column j: for messages i -> j. Of broadcasts what the sender did is on the
    // diagonal.
    std::vector<double> senderTxS;
    std::vector<double> senderRxS;
    std::vector<double> receiverTxS;
    std::vector<double> receiverRxS;
    std::vector<double> airtimeS; // of all frames, over all hops
    // Of each device.
    std::vector<double> overheardRxS;
    std::vector<double> protocolTxS;
    std::vector<double> protocolRxS;
    std::vector<double> cutOffRxS; // receptions that came to no end, or to none in the round
    // By message and the device in between.
    std::map<std::tuple<int, int, int>, Seconds> relayed;

  private:
    // A share of a frame: of a message src -> dst, or of none (src EVERYBODY).
    struct Share
    {
        int src{EVERYBODY};
        int dst{EVERYBODY};
        double part{1};
    };

    using Shares = std::vector<Share>;

    struct Frame
    {
        int from{EVERYBODY};
        int to{EVERYBODY}; // the node that it is addressed to on this hop
        Shares shares;
    };

    struct Node
    {
        std::shared_ptr<RadioBattery> battery;
        int64_t countedTxNs{0};
        int64_t countedRxNs{0};
        Ptr<const WifiPsdu> psdu; // held, so that no other frame gets its address
        Frame sending;
    };

    void Attach(Ptr<WifiPhy> phy, Mac48Address mac, std::shared_ptr<RadioBattery> battery)
    {
        const int node = static_cast<int>(m_nodes.size());
        m_nodes.push_back(Node{std::move(battery)});
        m_nodeOf.Add(mac, node);
        phy->TraceConnectWithoutContext(
            "PhyTxPsduBegin",
            Hook<void, WifiConstPsduMap, WifiTxVector, double>(
                [this, node, p = PeekPointer(phy)](WifiConstPsduMap psdus,
                                                   WifiTxVector txVector,
                                                   double) {
                    const auto onAir =
                        WifiPhy::CalculateTxDuration(psdus, txVector, p->GetPhyBand());
                    OnTransmit(node, psdus.begin()->second, 1e-9 * onAir.GetNanoSeconds());
                }));
        if (!m_nodes[node].battery)
        {
            return;
        }
        phy->TraceConnectWithoutContext(
            "PhyRxPayloadBegin",
            Hook<void, WifiTxVector, Time>([this, node](WifiTxVector, Time) {
                m_nodes[node].battery->Advance();
                CountCutOff(node);
            }));
        phy->GetState()->TraceConnectWithoutContext(
            "RxOutcome",
            Hook<void,
                 Ptr<const WifiPpdu>,
                 RxSignalInfo,
                 const WifiTxVector&,
                 const std::vector<bool>&>(
                [this, node](Ptr<const WifiPpdu> ppdu,
                             RxSignalInfo,
                             const WifiTxVector&,
                             const std::vector<bool>&) { OnReceived(node, *ppdu->GetPsdu()); }));
    }

    void OnTransmit(int node, Ptr<const WifiPsdu> psdu, double onAirS)
    {
        Node& sender = m_nodes[node];
        if (sender.battery)
        {
            sender.battery->Advance();
            CountSent(node);
        }
        m_onAir.erase(PeekPointer(sender.psdu));
        sender.psdu = psdu;
        m_onAir[PeekPointer(psdu)] = node;
        sender.sending = FrameOf(node, *psdu);
        for (const Share& share : sender.sending.shares)
        {
            if (share.src != EVERYBODY)
            {
                airtimeS[Link(share.src, share.dst)] += share.part * onAirS;
            }
        }
    }

    void OnReceived(int node, const WifiPsdu& psdu)
    {
        const int64_t ns = TakeRxNs(node);
        const auto found = m_onAir.find(&psdu);
        if (found == m_onAir.end())
        {
            overheardRxS[node] += 1e-9 * ns; // of a stranger
            return;
        }
        Count(node, m_nodes[found->second].sending, Seconds{0, 1e-9 * ns});
    }

    void CountSent(int node)
    {
        Node& sender = m_nodes[node];
        const int64_t ns = sender.battery->StateNs(TX) - sender.countedTxNs;
        sender.countedTxNs += ns;
        Count(node, sender.sending, Seconds{1e-9 * ns, 0});
    }

    void CountCutOff(int node)
    {
        cutOffRxS[node] += 1e-9 * TakeRxNs(node);
    }

    int64_t TakeRxNs(int node)
    {
        Node& receiver = m_nodes[node];
        const int64_t ns = receiver.battery->StateNs(RX) - receiver.countedRxNs;
        receiver.countedRxNs += ns;
        return ns;
    }

    void Count(int node, const Frame& frame, Seconds spent)
    {
        if (spent.tx == 0 && spent.rx == 0)
        {
            return;
        }
        const bool takesPart = node == frame.from || node == frame.to || frame.to == EVERYBODY;
        for (const Share& share : frame.shares)
        {
            const Seconds part{share.part * spent.tx, share.part * spent.rx};
            if (share.src == EVERYBODY)
            {
                protocolTxS[node] += part.tx;
                protocolRxS[node] += part.rx;
            }
            else if (!takesPart)
            {
                overheardRxS[node] += part.rx;
            }
            else if (node == share.src)
            {
                senderTxS[Link(share.src, share.dst)] += part.tx;
                senderRxS[Link(share.src, share.dst)] += part.rx;
            }
            else if (node == share.dst || (share.dst == EVERYBODY && part.tx == 0))
            {
                receiverTxS[Link(share.src, node)] += part.tx;
                receiverRxS[Link(share.src, node)] += part.rx;
            }
            else
            {
                Seconds& total = relayed[{share.src, share.dst, node}];
                total.tx += part.tx;
                total.rx += part.rx;
            }
        }
    }

    // What a frame is for; remembers it for the control frames of the same hop.
    Frame FrameOf(int from, const WifiPsdu& psdu)
    {
        const WifiMacHeader& header = psdu.GetHeader(0);
        Frame frame{from, NodeAt(psdu.GetAddr1()), {}};
        if (header.IsCts() || header.IsAck() || header.IsBlockAck())
        {
            const auto answered = m_lastFrame.find({frame.to, from});
            frame.shares = answered == m_lastFrame.end() ? Shares{Share{}} : answered->second;
            return frame;
        }
        const std::pair<int, int> hop{from, frame.to};
        if (header.HasData())
        {
            frame.shares = SharesOf(psdu);
            if (frame.shares.front().src != EVERYBODY) // greetings would hide what follows them
            {
                m_lastData[hop] = frame.shares;
            }
        }
        else if (header.IsCtl() || IsAgreement(psdu))
        {
            const auto guarded = m_lastData.find(hop);
            frame.shares = guarded == m_lastData.end() ? OfEnds(hop) : guarded->second;
        }
        else
        {
            frame.shares = {Share{}};
        }
        m_lastFrame[hop] = frame.shares;
        return frame;
    }

    // Block acknowledgements are agreed on because there are data to send.
    static bool IsAgreement(const WifiPsdu& psdu)
    {
        uint8_t category = 0;
        return psdu.GetHeader(0).IsAction() &&
               (*psdu.begin())->GetPacket()->CopyData(&category, 1) == 1 &&
               category == WifiActionHeader::BLOCK_ACK;
    }

    // Before any data went over a hop: of a message from one end to the other, where these are
    // devices.
    Shares OfEnds(const std::pair<int, int>& hop) const
    {
        const bool ours = hop.first < n && hop.second != EVERYBODY && hop.second < n;
        return {ours ? Share{hop.first, hop.second} : Share{}};
    }

    Shares SharesOf(const WifiPsdu& psdu) const
    {
        std::map<std::pair<int, int>, double> bytes;
        double all = 0;
        for (const auto& mpdu : psdu)
        {
            bytes[EndsOf(*mpdu)] += mpdu->GetSize();
            all += mpdu->GetSize();
        }
        Shares shares;
        for (const auto& [ends, size] : bytes)
        {
            shares.push_back(Share{ends.first, ends.second, size / all});
        }
        return shares;
    }

    std::pair<int, int> EndsOf(const WifiMpdu& mpdu) const
    {
        const std::pair<int, int> none{EVERYBODY, EVERYBODY};
        static constexpr uint32_t LOOK_BYTES = 128;
        static constexpr uint32_t AMSDU_HEADER_BYTES = 14;
        static constexpr uint32_t SNAP_BYTES = 8;
        std::array<uint8_t, LOOK_BYTES> head{};
        const uint32_t size = mpdu.GetPacket()->CopyData(head.data(), LOOK_BYTES);
        uint32_t at = mpdu.GetHeader().IsQosAmsdu() ? AMSDU_HEADER_BYTES : 0;
        // A mesh puts a header of its own, of 6 to 24 bytes, before that of LLC and SNAP.
        static constexpr uint32_t MESH_BYTES = 6;
        for (int skipped = 0; skipped < 5 && at + SNAP_BYTES < size; ++skipped, at += MESH_BYTES)
        {
            static constexpr std::array<uint8_t, SNAP_BYTES> IPV4{0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
            if (std::equal(IPV4.begin(), IPV4.end(), head.begin() + at))
            {
                MessageEnds ends{};
                if (!ReadMessageEnds(head.data() + at + SNAP_BYTES, size - at - SNAP_BYTES, ends))
                {
                    return none;
                }
                const auto src = m_deviceOf.find(ends.src);
                const auto dst = m_deviceOf.find(ends.dst);
                return src == m_deviceOf.end()
                           ? none
                           : std::pair<int, int>{src->second,
                                                 dst == m_deviceOf.end() ? EVERYBODY : dst->second};
            }
        }
        return none;
    }

    int NodeAt(Mac48Address mac) const
    {
        return m_nodeOf.Find(mac, EVERYBODY);
    }

    size_t Link(int src, int dst) const
    {
        return static_cast<size_t>(src) * n + (dst == EVERYBODY ? src : dst);
    }

    std::vector<Node> m_nodes;
    ByMac m_nodeOf;
    std::map<uint32_t, int> m_deviceOf;
    std::unordered_map<const WifiPsdu*, int> m_onAir;
    std::map<std::pair<int, int>, Shares> m_lastData;
    std::map<std::pair<int, int>, Shares> m_lastFrame; // answers apart
};

} // namespace cosim_native
