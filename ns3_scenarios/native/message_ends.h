// Whose message a datagram is part of.
#pragma once
#include <cstdint>
#include <cstring>

#include "endpoint.h"
#include "arq.h"

namespace cosim_native
{
// From whom and to whom by address; an answer to a message belongs to the message.
struct MessageEnds
{
    uint32_t src;
    uint32_t dst;
};

// Reads an IPv4 packet of `size` bytes, or its beginning; false if it is not of our transports.
inline bool
ReadMessageEnds(const uint8_t* packet, uint32_t size, MessageEnds& ends)
{
    constexpr uint32_t LEAST_BYTES = 28; // headers of IPv4 and UDP
    constexpr uint8_t TCP = 6;
    constexpr uint8_t UDP = 17;
    const auto read16 = [packet](uint32_t at) { return (packet[at] << 8) | packet[at + 1]; };
    const auto read32 = [read16](uint32_t at) {
        return (static_cast<uint32_t>(read16(at)) << 16) | static_cast<uint32_t>(read16(at + 2));
    };
    if (size < LEAST_BYTES || packet[0] >> 4 != 4)
    {
        return false;
    }
    const uint32_t headerBytes = 4 * (packet[0] & 0x0f);
    const uint8_t protocol = packet[9];
    ends = {read32(12), read32(16)};
    if ((read16(6) & 0x1fff) != 0) // a later fragment: only data are that long
    {
        return protocol == UDP;
    }
    const bool fromPort = read16(headerBytes) == Endpoint::PORT;
    const bool toPort = read16(headerBytes + 2) == Endpoint::PORT;
    bool isAnswer = false;
    if (protocol == UDP && fromPort && toPort && size >= headerBytes + 12)
    {
        uint32_t kind;
        std::memcpy(&kind, packet + headerBytes + 8, sizeof(kind));
        if (kind == Endpoint::GREETING)
        {
            return false;
        }
        isAnswer = kind == KIND_ACK;
    }
    else if (protocol == TCP && fromPort != toPort) // who sends the message opens the connection
    {
        isAnswer = fromPort;
    }
    else
    {
        return false;
    }
    if (isAnswer)
    {
        std::swap(ends.src, ends.dst);
    }
    return true;
}

} // namespace cosim_native
