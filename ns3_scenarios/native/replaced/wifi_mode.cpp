// ns-3.44's rates of modes, looked up where it works them out anew for each question.
#include "ns3/wifi-mode.h"

#include <optional>
#include <vector>

#include "ns3/wifi-tx-vector.h"
#include "own.h"

namespace ns3
{

uint64_t
WifiMode::GetDataRate(const WifiTxVector& txVector, uint16_t staId) const
{
    struct Known
    {
        MHz_u widthMhz{0};
        Time guard;
        uint8_t streams{0};
        uint64_t rateBps{0};
    };

    // By mode, of which there are a hundred; the rest of what a rate depends on seldom changes.
    static std::vector<Known> known;
    const auto ask = [&] {
        return WifiModeFactory::GetFactory()->Get(m_uid)->GetDataRateCallback(txVector, staId);
    };
    if (txVector.IsMu() || txVector.GetMode(staId) != *this)
    {
        return ask();
    }
    if (m_uid >= known.size())
    {
        known.resize(m_uid + 1);
    }
    auto& last = known[m_uid];
    const auto widthMhz = txVector.GetChannelWidth();
    const auto guard = txVector.GetGuardInterval();
    const auto streams = txVector.GetNss(staId);
    if (last.streams != streams || last.widthMhz != widthMhz || last.guard != guard)
    {
        last = {widthMhz, guard, streams, ask()};
    }
    return last.rateBps;
}

uint64_t
WifiMode::GetDataRate(MHz_u channelWidth) const
{
    struct Known
    {
        MHz_u widthMhz{0};
        uint64_t rateBps{0};
    };

    static std::vector<Known> known; // by mode
    if (m_uid >= known.size())
    {
        known.resize(m_uid + 1);
    }
    auto& last = known[m_uid];
    if (last.rateBps == 0 || last.widthMhz != channelWidth)
    {
        last = {channelWidth, GetDataRate(channelWidth, NanoSeconds(800), 1)};
    }
    return last.rateBps;
}

bool
WifiMode::IsHigherDataRate(WifiMode mode) const
{
    using Method = bool (WifiMode::*)(WifiMode) const;
    static const auto own = Own<Method>("_ZNK3ns38WifiMode16IsHigherDataRateES0_");
    static std::vector<std::vector<std::optional<bool>>> known; // by modes
    if (m_uid >= known.size())
    {
        known.resize(m_uid + 1);
    }
    auto& others = known[m_uid];
    if (mode.m_uid >= others.size())
    {
        others.resize(mode.m_uid + 1);
    }
    auto& isHigher = others[mode.m_uid];
    if (!isHigher)
    {
        isHigher = (this->*own)(mode);
    }
    return *isHigher;
}

} // namespace ns3
