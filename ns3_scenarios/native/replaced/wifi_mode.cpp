// ns-3.44's data rate of a PPDU, looked up where it works it out anew for each question.
#include "ns3/wifi-mode.h"

#include <vector>

#include "ns3/wifi-tx-vector.h"

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

} // namespace ns3
