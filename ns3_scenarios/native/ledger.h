// What each message of a round came to, kept by the endpoints of all devices.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "ns3/simulator.h"

namespace cosim_native
{
using namespace ns3;

struct Message
{
    int src;
    int dst;
    int part;
    int64_t bytes;
    std::vector<bool> chunkArrived;
    int64_t handedBytes{0};    // first transmissions that the socket took
    int64_t ackedBytes{0};     // what the sender knows to have arrived
    int64_t deliveredBytes{0}; // what is at the receiver
    int64_t finishedNs{-1};
    int64_t retransmissions{0};
    bool gaveUp{false};
    bool settled{false};
};

class Ledger
{
  public:
    explicit Ledger(uint32_t chunkBytes)
        : m_chunkBytes(chunkBytes)
    {
    }

    void Clear()
    {
        messages.clear();
        m_indexOf.clear();
        m_open = 0;
    }

    int Add(int src, int dst, int part, int64_t bytes)
    {
        const auto index = static_cast<int>(messages.size());
        const int64_t chunks = (bytes + m_chunkBytes - 1) / m_chunkBytes;
        messages.push_back(Message{src, dst, part, bytes, std::vector<bool>(chunks, false)});
        m_indexOf[{src, part}][dst] = index;
        ++m_open;
        return index;
    }

    uint32_t NumChunks(int message) const
    {
        return static_cast<uint32_t>(messages[message].chunkArrived.size());
    }

    uint32_t ChunkLength(int message, uint32_t chunk) const
    {
        const int64_t left = messages[message].bytes - static_cast<int64_t>(chunk) * m_chunkBytes;
        return static_cast<uint32_t>(std::min<int64_t>(left, m_chunkBytes));
    }

    // The messages that carry one part of one device, by receiver.
    const std::map<int, int>& Copies(int src, int part) const
    {
        static const std::map<int, int> none;
        const auto found = m_indexOf.find({src, part});
        return found == m_indexOf.end() ? none : found->second;
    }

    // A chunk of a sender's part is at a receiver; nothing happens if it is not meant for it.
    void Arrive(int src, int dst, int part, uint32_t chunk)
    {
        const auto& copies = Copies(src, part);
        const auto found = copies.find(dst);
        if (found == copies.end() || messages[found->second].chunkArrived[chunk])
        {
            return;
        }
        Message& message = messages[found->second];
        message.chunkArrived[chunk] = true;
        message.deliveredBytes += ChunkLength(found->second, chunk);
        if (message.deliveredBytes == message.bytes)
        {
            message.finishedNs = Simulator::Now().GetNanoSeconds();
            Settle(found->second);
        }
    }

    void GiveUp(int message)
    {
        if (!messages[message].settled)
        {
            messages[message].gaveUp = true;
            Settle(message);
        }
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
    int64_t m_chunkBytes;
    std::map<std::pair<int, int>, std::map<int, int>> m_indexOf; // {src, part} -> dst -> message
    int64_t m_open{0};
};

} // namespace cosim_native
