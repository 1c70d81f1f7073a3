// Numbers of radios by their address.
#pragma once

#include "ns3/mac48-address.h"

#include <array>
#include <cstdint>
#include <unordered_map>

namespace cosim_native
{
using namespace ns3;

class ByMac
{
  public:
    void Add(const Mac48Address& mac, int number)
    {
        m_numbers[Key(mac)] = number;
    }

    // otherwise: of an address that nobody added.
    int Find(const Mac48Address& mac, int otherwise) const
    {
        const auto found = m_numbers.find(Key(mac));
        return found == m_numbers.end() ? otherwise : found->second;
    }

  private:
    static uint64_t Key(const Mac48Address& mac)
    {
        std::array<uint8_t, 6> bytes;
        mac.CopyTo(bytes.data());
        uint64_t key = 0;
        for (const uint8_t each : bytes)
        {
            key = key << 8 | each;
        }
        return key;
    }

    std::unordered_map<uint64_t, int> m_numbers;
};

} // namespace cosim_native
