// Switches a device's radio: asleep while the device computes, off when its battery is empty.
#pragma once
#include <memory>
#include <utility>

#include "ns3/frame-exchange-manager.h"
#include "ns3/simulator.h"
#include "ns3/wifi-mac-queue.h"
#include "ns3/wifi-mac.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-phy.h"

#include "radio_battery.h"

namespace cosim_native
{
using namespace ns3;

class RadioSwitch
{
  public:
    RadioSwitch(Ptr<WifiNetDevice> radio, std::shared_ptr<RadioBattery> battery)
        : m_mac(radio->GetMac()),
          m_phy(radio->GetPhy()),
          m_battery(std::move(battery))
    {
    }

    // Asleep from when the MAC has come to rest until the duration is over.
    void SleepFor(Time duration)
    {
        m_wake.Cancel();
        m_wake = Simulator::Schedule(duration, [this] { Wake(); });
        m_look.Cancel();
        m_look = Simulator::ScheduleNow([this] { SleepWhenAtRest(); });
    }

    // Whether the radio sleeps, or is going to.
    bool IsToSleep() const
    {
        return m_wake.IsPending();
    }

    void Off()
    {
        m_look.Cancel();
        m_wake.Cancel();
        if (m_phy->IsStateSleep())
        {
            // ns-3 refuses to switch a sleeping radio off, and a woken one would send at once.
            FlushQueues();
            m_phy->ResumeFromSleep();
        }
        m_phy->SetOffMode();
    }

    // On again, with nothing to send.
    void On()
    {
        FlushQueues();
        // ns-3.44 switches off without ending what the MAC was at.
        m_mac->GetFrameExchangeManager()->NotifyOffNow();
        m_phy->ResumeFromOff();
    }

  private:
    // ns-3 aborts if a radio falls asleep within an exchange of frames: longer than SIFS and an
    // acknowledgement's time-out.
    static constexpr int64_t AT_REST_NS = 200'000;
    static constexpr int64_t LOOK_AGAIN_US = 1000;

    void SleepWhenAtRest()
    {
        if (IsAtRest())
        {
            m_phy->SetSleepMode();
            return;
        }
        m_look =
            Simulator::Schedule(MicroSeconds(LOOK_AGAIN_US), [this] { SleepWhenAtRest(); });
    }

    void Wake()
    {
        m_look.Cancel();
        m_phy->ResumeFromSleep();
    }

    bool IsAtRest() const
    {
        const int64_t quietNs = Simulator::Now().GetNanoSeconds() - m_battery->IdleSinceNs();
        return m_phy->IsStateIdle() && quietNs >= AT_REST_NS &&
               !m_mac->GetFrameExchangeManager()->GetWifiTxTimer().IsRunning() && NumQueued() == 0;
    }

    uint32_t NumQueued() const
    {
        uint32_t queued = 0;
        ForEachQueue([&queued](Ptr<WifiMacQueue> queue) { queued += queue->GetNPackets(); });
        return queued;
    }

    void FlushQueues()
    {
        ForEachQueue([](Ptr<WifiMacQueue> queue) { queue->Flush(); });
    }

    template <typename Action>
    void ForEachQueue(Action action) const
    {
        for (const auto category : {AC_BE, AC_BK, AC_VI, AC_VO, AC_BE_NQOS})
        {
            if (auto queue = m_mac->GetTxopQueue(category))
            {
                action(queue);
            }
        }
    }

    Ptr<WifiMac> m_mac;
    Ptr<WifiPhy> m_phy;
    std::shared_ptr<RadioBattery> m_battery;
    EventId m_look;
    EventId m_wake;
};

} // namespace cosim_native
