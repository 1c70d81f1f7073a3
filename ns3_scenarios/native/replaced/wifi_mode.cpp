// ns-3.44's rates of modes, looked up where it works them out anew for each question.
#include "ns3/wifi-mode.h"

#include <optional>

#include "ns3/wifi-tx-vector.h"
#include "by_mode.h"
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

    // The rest of what a rate depends on seldom changes.
    static cosim_native::ByMode<Known> known;
    const auto ask = [&] {
        return WifiModeFactory::GetFactory()->Get(m_uid)->GetDataRateCallback(txVector, staId);
    };
    if (txVector.IsMu() || txVector.GetMode(staId) != *this)
    {
        return ask();
    }
    auto& last = known.At(m_uid);
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

    static cosim_native::ByMode<Known> known;
    auto& last = known.At(m_uid);
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
    static cosim_native::ByMode<cosim_native::ByMode<std::optional<bool>>> known;
    auto& isHigher = known.At(m_uid).At(mode.m_uid);
    if (!isHigher)
    {
        isHigher = (this->*own)(mode);
    }
    return *isHigher;
}

} // namespace ns3
