// ns-3.44's sums of power, with the same values from fewer steps.
//
// ns-3.44 copies the list of all changes of power, once for the SNR and once or twice more for the
// errors, for every MPDU and every part of a header at every radio that hears it, and looks up its
// one band in a map of bands by comparing lists. Here the list is read where it lies, from the first
// change that matters. Each sum has the same terms in the same order: the same bits.
//
// These are the functions of the same names of libns3.44-wifi.so, which calls them through its table
// of functions: loaded before it, this library's are called (session.py). A PPDU to or from several
// stations at once goes to ns-3's own.
#include <cmath>
#include <iterator>
#include <limits>

#include "ns3/interference-helper.h"
#include "ns3/simulator.h"
#include "ns3/wifi-phy.h"
#include "ns3/wifi-ppdu.h"
#include "own.h"

namespace ns3
{
namespace
{
bool
HasOneUser(const Event& event)
{
    const auto type = event.GetPpdu()->GetType();
    return type != WIFI_PPDU_TYPE_DL_MU && type != WIFI_PPDU_TYPE_UL_MU;
}

template <typename Map>
auto&
OfBand(Map& byBand, const WifiSpectrumBandInfo& band)
{
    auto found = byBand.size() == 1 ? byBand.begin() : byBand.find(band);
    NS_ABORT_IF(found == byBand.end());
    return found->second;
}

// The change by which the event itself began.
template <typename Changes>
auto
BeginOf(const Ptr<Event>& event, Changes& changes)
{
    auto change = changes.lower_bound(event->GetStartTime());
    while (change != changes.end() && change->second.GetEvent() != event)
    {
        ++change;
    }
    NS_ABORT_IF(change == changes.end());
    return change;
}
} // namespace

Ptr<Event>
InterferenceHelper::Add(Ptr<const WifiPpdu> ppdu,
                        Time duration,
                        RxPowerWattPerChannelBand& rxPower,
                        const FrequencyRange& freqRange,
                        bool isStartHePortionRxing)
{
    auto event = Create<Event>(ppdu, duration, std::move(rxPower));
    const auto receiving = m_rxing.find(freqRange);
    const bool isReceiving = receiving != m_rxing.end() && receiving->second;
    const Time start = event->GetStartTime();
    const Time end = event->GetEndTime();
    for (const auto& [band, power] : event->GetRxPowerPerBand())
    {
        auto& changes = OfBand(m_niChanges, band);
        const auto afterStart = changes.upper_bound(start);
        const auto afterEnd = changes.upper_bound(end);
        const auto before = std::prev(afterStart);
        const auto atStart = before->second.GetPower();
        const auto atEnd = std::prev(afterEnd)->second.GetPower();
        if (!isReceiving || isStartHePortionRxing)
        {
            OfBand(m_firstPowers, band) = atStart;
        }
        if (!isReceiving)
        {
            // The change to no power at 0 stays.
            changes.erase(std::next(changes.begin()), afterStart);
        }
        const auto first = changes.emplace_hint(afterStart, start, NiChange(atStart, event));
        const auto last = changes.emplace_hint(afterEnd, end, NiChange(atEnd, event));
        for (auto change = first; change != last; ++change)
        {
            change->second.AddPower(power);
        }
    }
    return event;
}

double
InterferenceHelper::CalculateSnr(Ptr<Event> event,
                                 MHz_u channelWidth,
                                 uint8_t nss,
                                 const WifiSpectrumBandInfo& band) const
{
    using Method = double (InterferenceHelper::*)(Ptr<Event>,
                                                  MHz_u,
                                                  uint8_t,
                                                  const WifiSpectrumBandInfo&) const;
    static const auto own = Own<Method>("_ZNK3ns318InterferenceHelper12CalculateSnrENS_3PtrINS_"
                                        "5EventEEEdhRKNS_20WifiSpectrumBandInfoE");
    if (!HasOneUser(*event))
    {
        return (this->*own)(event, channelWidth, nss, band);
    }
    const auto& changes = OfBand(m_niChanges, band);
    const auto power = OfBand(event->GetRxPowerPerBand(), band);
    Watt_u interference = OfBand(m_firstPowers, band);
    const auto latest = std::prev(changes.lower_bound(Simulator::Now()));
    if (latest->first >= event->GetStartTime())
    {
        interference = latest->second.GetPower() - power;
        if (std::abs(interference) < std::numeric_limits<double>::epsilon())
        {
            interference = 0; // what rounding left of sums that cancel
        }
    }
    return CalculateSnr(power, interference, channelWidth, nss);
}

PhyEntity::SnrPer
InterferenceHelper::CalculatePayloadSnrPer(Ptr<Event> event,
                                           MHz_u channelWidth,
                                           const WifiSpectrumBandInfo& band,
                                           uint16_t staId,
                                           std::pair<Time, Time> relativeMpduStartStop) const
{
    using Method = PhyEntity::SnrPer (InterferenceHelper::*)(Ptr<Event>,
                                                             MHz_u,
                                                             const WifiSpectrumBandInfo&,
                                                             uint16_t,
                                                             std::pair<Time, Time>) const;
    static const auto own =
        Own<Method>("_ZNK3ns318InterferenceHelper22CalculatePayloadSnrPerENS_3PtrINS_5EventEEEdRKNS_"
                    "20WifiSpectrumBandInfoEtSt4pairINS_4TimeES8_E");
    if (!HasOneUser(*event))
    {
        return (this->*own)(event, channelWidth, band, staId, relativeMpduStartStop);
    }
    const auto& txVector = event->GetPpdu()->GetTxVector();
    const auto nss = txVector.GetNss(staId);
    const Time payload =
        event->GetStartTime() + WifiPhy::CalculatePhyPreambleAndHeaderDuration(txVector);
    const Time start = payload + relativeMpduStartStop.first;
    const Time stop = payload + relativeMpduStartStop.second;
    const auto& changes = OfBand(m_niChanges, band);
    const auto power = OfBand(event->GetRxPowerPerBand(), band);
    auto change = changes.lower_bound(start);
    const auto before = std::prev(change);
    auto interference = before == BeginOf(event, changes) ? OfBand(m_firstPowers, band)
                                                          : before->second.GetPower() - power;
    Time since = std::max(before->first, start);
    double success = 1;
    for (; change != changes.end() && since <= stop; ++change)
    {
        const auto snr = CalculateSnr(power, interference, channelWidth, nss);
        const Time until = std::min(change->first, stop);
        success *= CalculatePayloadChunkSuccessRate(snr, until - since, txVector, staId);
        if (change->second.GetEvent() == event)
        {
            break; // by which it ends
        }
        interference = change->second.GetPower() - power;
        since = change->first;
    }
    return {CalculateSnr(event, channelWidth, nss, band), 1 - success};
}

PhyEntity::SnrPer
InterferenceHelper::CalculatePhyHeaderSnrPer(Ptr<Event> event,
                                             MHz_u channelWidth,
                                             const WifiSpectrumBandInfo& band,
                                             WifiPpduField header) const
{
    using Method = PhyEntity::SnrPer (InterferenceHelper::*)(Ptr<Event>,
                                                             MHz_u,
                                                             const WifiSpectrumBandInfo&,
                                                             WifiPpduField) const;
    static const auto own =
        Own<Method>("_ZNK3ns318InterferenceHelper24CalculatePhyHeaderSnrPerENS_3PtrINS_5EventEEEdRKNS"
                    "_20WifiSpectrumBandInfoENS_13WifiPpduFieldE");
    if (!HasOneUser(*event))
    {
        return (this->*own)(event, channelWidth, band, header);
    }
    const double snr = CalculateSnr(event, channelWidth, 1, band);
    const auto& txVector = event->GetPpdu()->GetTxVector();
    const auto sections = WifiPhy::GetStaticPhyEntity(txVector.GetModulationClass())
                              ->GetPhyHeaderSections(txVector, event->GetStartTime());
    const auto section = sections.find(header);
    if (section == sections.end())
    {
        return {snr, 0};
    }
    const auto& [span, mode] = section->second;
    const auto& [start, stop] = span;
    const auto& changes = OfBand(m_niChanges, band);
    const auto power = OfBand(event->GetRxPowerPerBand(), band);
    auto change = BeginOf(event, changes);
    auto interference = OfBand(m_firstPowers, band);
    Time since = change->first;
    double success = 1;
    while (++change != changes.end() && since <= stop)
    {
        const Time chunk = std::min(stop, change->first) - std::max(start, since);
        if (chunk.IsStrictlyPositive())
        {
            const auto chunkSnr = CalculateSnr(power, interference, channelWidth, 1);
            success *= CalculateChunkSuccessRate(chunkSnr, chunk, mode, txVector, header);
        }
        if (change->second.GetEvent() == event)
        {
            break; // by which it ends
        }
        interference = change->second.GetPower() - power;
        since = change->first;
    }
    return {snr, 1 - success};
}

} // namespace ns3
