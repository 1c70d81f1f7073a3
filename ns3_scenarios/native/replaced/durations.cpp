// Durations that ns-3.44 works out anew for each radio that hears a PPDU.
#include <typeinfo>

#include "ns3/ofdm-ppdu.h"
#include "ns3/phy-entity.h"
#include "ns3/wifi-phy.h"
#include "by_mode.h"

namespace ns3
{

Time
PhyEntity::CalculatePhyPreambleAndHeaderDuration(const WifiTxVector& txVector) const
{
    struct Known
    {
        const std::type_info* entity{nullptr};
        WifiPreamble preamble{WIFI_PREAMBLE_LONG};
        MHz_u widthMhz{0};
        uint8_t streams{0};
        uint8_t extensionStreams{0};
        Time duration;
    };

    const auto ask = [&] {
        Time sum;
        for (uint8_t field = WIFI_PPDU_FIELD_PREAMBLE; field < WIFI_PPDU_FIELD_DATA; ++field)
        {
            sum += GetDuration(static_cast<WifiPpduField>(field), txVector);
        }
        return sum;
    };
    // The header of 802.11be, and that to several stations, hangs on more.
    if (txVector.IsMu() || txVector.GetModulationClass() > WIFI_MOD_CLASS_HE)
    {
        return ask();
    }
    static cosim_native::ByMode<Known> known;
    auto& last = known.At(txVector.GetMode().GetUid());
    const auto& entity = typeid(*this);
    const auto preamble = txVector.GetPreambleType();
    const auto widthMhz = txVector.GetChannelWidth();
    const auto streams = txVector.GetNss();
    const auto extensionStreams = txVector.GetNess();
    if (last.entity != &entity || last.preamble != preamble || last.widthMhz != widthMhz ||
        last.streams != streams || last.extensionStreams != extensionStreams)
    {
        last = {&entity, preamble, widthMhz, streams, extensionStreams, ask()};
    }
    return last.duration;
}

Time
OfdmPpdu::GetTxDuration() const
{
    static const OfdmPpdu* last = nullptr;
    static uint64_t lastUid = 0; // an address may be another's later
    static Time duration;
    if (last != this || lastUid != GetUid())
    {
        duration = WifiPhy::CalculateTxDuration(m_lSig.GetLength(),
                                                GetTxVector(),
                                                m_operatingChannel.GetPhyBand());
        last = this;
        lastUid = GetUid();
    }
    return duration;
}

} // namespace ns3
