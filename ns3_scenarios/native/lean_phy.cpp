#include "lean_phy.h"

#include "ns3/double.h"
#include "ns3/frame-capture-model.h"
#include "ns3/pointer.h"
#include "ns3/simulator.h"
#include "ns3/threshold-preamble-detection-model.h"
#include "ns3/wifi-phy-state-helper.h"
#include "ns3/wifi-utils.h"

#include "air.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace cosim_native
{
using namespace ns3;

namespace
{
// Tells when a radio stops waiting for preambles of its own accord.
class AttentionEnds : public WifiPhyListener
{
  public:
    explicit AttentionEnds(std::function<void()> action)
        : m_action(std::move(action))
    {
    }

    void NotifyTxStart(Time, dBm_u) override
    {
        m_action();
    }

    void NotifySwitchingStart(Time) override
    {
        m_action();
    }

    void NotifySleep() override
    {
        m_action();
    }

    void NotifyOff() override
    {
        m_action();
    }

    void NotifyRxStart(Time) override
    {
    }

    void NotifyRxEndOk() override
    {
    }

    void NotifyRxEndError() override
    {
    }

    void NotifyCcaBusyStart(Time, WifiChannelListType, const std::vector<Time>&) override
    {
    }

    void NotifyWakeup() override
    {
    }

    void NotifyOn() override
    {
    }

  private:
    std::function<void()> m_action;
};

// Names of protected members, which a class derived from theirs may take.
class OpenEntity : public PhyEntity
{
  public:
    static constexpr auto END_DETECTION = &OpenEntity::EndPreambleDetectionPeriod;
    static constexpr auto DETECTIONS = &OpenEntity::m_endPreambleDetectionEvents;
};

// Sums of the same powers in another order differ by some 1e-16 of them.
constexpr double SURELY = 1 - 1e-9;
} // namespace

TypeId
LeanPhy::GetTypeId()
{
    static TypeId id =
        TypeId("cosim_native::LeanPhy").SetParent<YansWifiPhy>().AddConstructor<LeanPhy>();
    return id;
}

void
LeanPhy::StartTx(Ptr<const WifiPpdu> ppdu)
{
    m_signalTransmissionCb(ppdu, ppdu->GetTxVector());
    SendOnLeanAir(this, ppdu, GetTxPowerForTransmission(ppdu) + GetTxGain());
}

void
LeanPhy::Begin()
{
    PointerValue detection;
    PointerValue capture;
    GetAttribute("PreambleDetectionModel", detection);
    GetAttribute("FrameCaptureModel", capture);
    m_faintBelowDbm = -std::numeric_limits<double>::infinity();
    auto threshold = detection.Get<ThresholdPreambleDetectionModel>();
    m_capturesFrames = capture.GetObject() != nullptr;
    if (threshold && !m_capturesFrames)
    {
        DoubleValue leastDbm;
        threshold->GetAttribute("MinimumRssi", leastDbm);
        m_faintBelowDbm = leastDbm.Get();
    }
    m_busyFromW = DbmToW(std::min(GetCcaEdThreshold(), GetCcaSensitivityThreshold()));
    m_listener = std::make_shared<AttentionEnds>([this] { m_faint.Settle(Sums(), Simulator::Now()); });
    m_state->RegisterListener(m_listener);
}

bool
LeanPhy::IsFaint(double powerW) const
{
    return WToDbm(powerW) < m_faintBelowDbm;
}

void
LeanPhy::Arrive(const Ptr<const WifiPpdu>& ppdu, Time duration, double powerW, bool isFaint)
{
    if (isFaint && CanWait(ppdu, powerW))
    {
        const Time now = Simulator::Now();
        m_faint.Note({ppdu, now, now + duration, powerW});
        return;
    }
    if (IsReceiving(*ppdu))
    {
        const Time now = Simulator::Now();
        Sums().Append(nullptr, now, now + duration, powerW);
        return;
    }
    Replay();
    Sums().Expect(Simulator::Now() + duration);
    RxPowerWattPerChannelBand powersW{{Sums().Band(), powerW}};
    StartReceivePreamble(ppdu, powersW, duration);
}

// Wider channels than 20 MHz tell of each 20 MHz; a truncated PPDU is told of where it arrives.
bool
LeanPhy::HasOneBandAndUser(const WifiPpdu& ppdu) const
{
    return GetChannelWidth() == MHz_u{20} && ppdu.GetType() == WIFI_PPDU_TYPE_SU &&
           !ppdu.IsTruncatedTx();
}

// Whether all that comes of an arrival is its power beside that of a payload under way: a radio that
// has begun with one does not leave it for another, and is busy anyway.
bool
LeanPhy::IsReceiving(const WifiPpdu& ppdu) const
{
    return m_state->IsStateRx() && m_currentEvent && !m_capturesFrames &&
           HasOneBandAndUser(*m_currentEvent->GetPpdu()) && HasOneBandAndUser(ppdu) &&
           Sums().IsReceiving(GetCurrentFrequencyRange());
}

// Whether all that comes of an arrival, if nothing else comes, is that it was not detected: the
// radio waits for preambles, detects none now, and the power of all that is on the air leaves the
// medium idle.
bool
LeanPhy::CanWait(const Ptr<const WifiPpdu>& ppdu, double powerW) const
{
    const auto state = m_state->GetState();
    if ((state != WifiPhyState::IDLE && state != WifiPhyState::CCA_BUSY) || m_currentEvent ||
        !m_currentPreambleEvents.empty())
    {
        return false;
    }
    const auto modulation = ppdu->GetModulation();
    if (!HasOneBandAndUser(*ppdu) || modulation > GetMaxModulationClassSupported() || !m_phyEntities.contains(modulation) ||
        Sums().IsReceiving(GetCurrentFrequencyRange()))
    {
        return false;
    }
    const Time now = Simulator::Now();
    const double onAirW = Sums().PowerAtW(now) + m_faint.PowerW(now) + powerW;
    return onAirW < m_busyFromW * SURELY;
}

void
LeanPhy::Replay()
{
    if (m_faint.IsEmpty())
    {
        return;
    }
    const Time now = Simulator::Now();
    for (const auto& event : m_faint.Replay(Sums(), GetCurrentFrequencyRange(), now))
    {
        const auto ppdu = event->GetPpdu();
        m_currentPreambleEvents[{ppdu->GetUid(), ppdu->GetPreamble()}] = event;
        auto entity = PeekPointer(m_phyEntities.at(ppdu->GetModulation()));
        const Time ends = event->GetStartTime() + GetPreambleDetectionDuration();
        (entity->*OpenEntity::DETECTIONS)
            .push_back(Simulator::Schedule(ends - now, OpenEntity::END_DETECTION, entity, event));
    }
}

LateSums&
LeanPhy::Sums() const
{
    return static_cast<LateSums&>(*m_interference);
}

void
LeanPhy::DoDispose()
{
    m_listener.reset();
    m_faint = {};
    YansWifiPhy::DoDispose();
}

} // namespace cosim_native
