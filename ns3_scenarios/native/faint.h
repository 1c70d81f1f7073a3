// Arrivals that no radio can tell from noise, put off until somebody looks.
//
// ns-3.44 has every arrival above RxSensitivity begin a preamble's detection, also where it is too
// weak to be detected: an Event, two steps in the sum of powers, an event 4 us later, and then the
// news that nothing was there. While a radio does nothing but wait, all of this can be seen only by
// what comes next. So the arrival is noted, and nothing else; when something comes that can be
// detected, what the notes say is done in their order, as ns-3 would have done it, and the sums are
// the same to the last bit: a power is the sum of what is on the air, in order of arrival.
#pragma once
#include <cstddef>
#include <vector>

#include "ns3/interference-helper.h"
#include "ns3/nstime.h"
#include "ns3/wifi-ppdu.h"

namespace cosim_native
{
using namespace ns3;

// The sum of powers of a radio with one band, to which arrivals can be added afterwards.
class LateSums : public InterferenceHelper
{
  public:
    static TypeId GetTypeId();

    // Of all that is on the air; what rounding left of sums that cancel counts as nothing.
    double PowerAtW(Time instant) const;
    bool IsReceiving(const FrequencyRange& range) const;
    const WifiSpectrumBandInfo& Band() const;

    // What InterferenceHelper::Add does at the instant of a start, while something is received;
    // event: none where nobody will ask for it.
    void Append(Ptr<Event> event, Time start, Time end, double powerW);

    // That InterferenceHelper::Add is to follow.
    void Expect(Time end);

    // After the first append of a reception: it began with what was there.
    void Begin(Time start);

  private:
    Time m_silentFrom;
};

struct Faint
{
    Ptr<const WifiPpdu> ppdu;
    Time start;
    Time end;
    double powerW;
};

// Those of one radio. Between two calls of Settle or Replay the radio is idle, or busy only by what
// has been there before.
class FaintArrivals
{
  public:
    bool IsEmpty() const
    {
        return m_all.empty();
    }

    // Of those on the air at an instant.
    double PowerW(Time now) const;

    void Note(const Faint& arrival);

    // Into the sums as if each had come in its time, for a radio that detects nothing any more.
    void Settle(LateSums& sums, Time now);

    // The same with the detection of preambles as far as it has come. Returns those whose detection
    // is still under way, in order of arrival.
    std::vector<Ptr<Event>> Replay(LateSums& sums, const FrequencyRange& range, Time now);

  private:
    std::vector<Faint> m_all; // in order of arrival
    // From here on each began while one before it was being detected; those before are still on the
    // air when this one begins.
    size_t m_runBegins{0};
};

} // namespace cosim_native
