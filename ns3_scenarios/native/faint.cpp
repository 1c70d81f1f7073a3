#include "faint.h"

#include "ns3/simulator.h"
#include "ns3/wifi-phy.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace cosim_native
{
using namespace ns3;

namespace
{
// An Event starts when it is made, and those here are made later; a reception begins with what was
// on the air before its first step, and that is noted when the step is made. The names of private members are
// checked nowhere but in an explicit instantiation, which hands out where they are.
template <auto Member, typename Name>
struct Opened
{
    friend constexpr auto Where(Name)
    {
        return Member;
    }
};

struct StartOfEvent
{
    friend constexpr auto Where(StartOfEvent);
};

struct EndOfEvent
{
    friend constexpr auto Where(EndOfEvent);
};

struct FirstPowers
{
    friend constexpr auto Where(FirstPowers);
};

template struct Opened<&Event::m_startTime, StartOfEvent>;
template struct Opened<&Event::m_endTime, EndOfEvent>;
template struct Opened<&InterferenceHelper::m_firstPowers, FirstPowers>;

Ptr<Event>
EventOf(const Faint& arrival, const WifiSpectrumBandInfo& band)
{
    RxPowerWattPerChannelBand powerW{{band, arrival.powerW}};
    auto event = Create<Event>(arrival.ppdu, arrival.end - arrival.start, std::move(powerW));
    (*PeekPointer(event)).*Where(StartOfEvent()) = arrival.start;
    (*PeekPointer(event)).*Where(EndOfEvent()) = arrival.end;
    return event;
}

Time
DetectedAt(const Faint& arrival)
{
    return arrival.start + WifiPhy::GetPreambleDetectionDuration();
}
} // namespace

TypeId
LateSums::GetTypeId()
{
    static TypeId id = TypeId("cosim_native::LateSums")
                           .SetParent<InterferenceHelper>()
                           .AddConstructor<LateSums>();
    return id;
}

double
LateSums::PowerAtW(Time instant) const
{
    if (instant >= m_silentFrom)
    {
        return 0;
    }
    const auto& steps = m_niChanges.begin()->second;
    return std::prev(steps.upper_bound(instant))->second.GetPower();
}

bool
LateSums::IsReceiving(const FrequencyRange& range) const
{
    const auto found = m_rxing.find(range);
    return found != m_rxing.end() && found->second;
}

const WifiSpectrumBandInfo&
LateSums::Band() const
{
    return m_niChanges.begin()->first;
}

void
LateSums::Append(Ptr<Event> event, Time start, Time end, double powerW)
{
    auto& steps = m_niChanges.begin()->second;
    const auto afterStart = steps.upper_bound(start);
    const auto afterEnd = steps.upper_bound(end);
    const double atStartW = std::prev(afterStart)->second.GetPower();
    const double atEndW = std::prev(afterEnd)->second.GetPower();
    auto step = steps.emplace_hint(afterStart, start, NiChange(atStartW, event));
    const auto last = steps.emplace_hint(afterEnd, end, NiChange(atEndW, event));
    for (; step != last; ++step)
    {
        step->second.AddPower(powerW);
    }
    Expect(end);
}

void
LateSums::Expect(Time end)
{
    m_silentFrom = std::max(m_silentFrom, end);
}

void
LateSums::Begin(Time start)
{
    auto& [band, steps] = *m_niChanges.begin();
    const auto first = std::prev(steps.upper_bound(start));
    (this->*Where(FirstPowers())).at(band) = std::prev(first)->second.GetPower();
    // The step of no power at 0 stays.
    steps.erase(std::next(steps.begin()), first);
}

double
FaintArrivals::PowerW(Time now) const
{
    double sumW = 0;
    for (const Faint& each : m_all)
    {
        if (each.end > now)
        {
            sumW += each.powerW;
        }
    }
    return sumW;
}

void
FaintArrivals::Note(const Faint& arrival)
{
    if (!m_all.empty() && DetectedAt(m_all.back()) <= arrival.start)
    {
        std::erase_if(m_all, [&arrival](const Faint& each) { return each.end <= arrival.start; });
        m_runBegins = m_all.size();
    }
    m_all.push_back(arrival);
}

void
FaintArrivals::Settle(LateSums& sums, Time now)
{
    for (const Faint& each : m_all)
    {
        if (each.end > now)
        {
            sums.Append(nullptr, each.start, each.end, each.powerW);
        }
    }
    m_all.clear();
    m_runBegins = 0;
}

std::vector<Ptr<Event>>
FaintArrivals::Replay(LateSums& sums, const FrequencyRange& range, Time now)
{
    for (size_t k = 0; k < m_runBegins; ++k)
    {
        sums.Append(nullptr, m_all[k].start, m_all[k].end, m_all[k].powerW);
    }
    // As PhyEntity has them, in the order of its map: the first of the strongest is to be received.
    std::map<std::pair<uint64_t, WifiPreamble>, const Faint*> detecting;
    size_t next = m_runBegins; // whose detection ends next
    const auto endDetections = [&](Time instant, size_t begun) {
        for (; next < begun && DetectedAt(m_all[next]) <= instant; ++next)
        {
            const Faint* strongest = nullptr;
            for (const auto& [key, each] : detecting)
            {
                if (!strongest || each->powerW > strongest->powerW)
                {
                    strongest = each;
                }
            }
            const Faint& ending = m_all[next];
            detecting.erase({ending.ppdu->GetUid(), ending.ppdu->GetPreamble()});
            if (strongest != &ending)
            {
                sums.NotifyRxEnd(strongest->start, range);
                sums.NotifyRxStart(range);
            }
            else if (detecting.empty())
            {
                sums.NotifyRxEnd(DetectedAt(ending), range);
            }
        }
    };
    std::vector<Ptr<Event>> left;
    for (size_t k = m_runBegins; k < m_all.size(); ++k)
    {
        const Faint& each = m_all[k];
        endDetections(each.start, k);
        Ptr<Event> event;
        if (DetectedAt(each) > now)
        {
            event = EventOf(each, sums.Band());
            left.push_back(event);
        }
        const bool begins = !sums.IsReceiving(range);
        sums.Append(event, each.start, each.end, each.powerW);
        if (begins)
        {
            sums.Begin(each.start);
        }
        detecting[{each.ppdu->GetUid(), each.ppdu->GetPreamble()}] = &each;
        sums.NotifyRxStart(range);
    }
    endDetections(now, m_all.size());
    m_all.clear();
    m_runBegins = 0;
    return left;
}

} // namespace cosim_native
