// One battery per device, drained by its radio and by its computing.
//
// RadioBattery listens to a WifiPhy and adds up nanoseconds per radio state. It schedules nothing
// per state change: what happened since the last notification is worked out when the next one
// comes, from the ends that ns-3 announced. State priority is that of WifiPhyStateHelper::GetState
// (off, sleep, tx, rx, switching, cca busy, idle).
//
// ns-3's own WifiRadioEnergyModel is not used: near an empty source it freezes, and it leaves a
// cancelled event behind for every state change.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "ns3/simulator.h"
#include "ns3/wifi-phy-listener.h"

namespace cosim_native
{
using namespace ns3;

enum RadioState
{
    TX,
    RX,
    IDLE,
    CCA_BUSY,
    SWITCHING,
    SLEEP,
    OFF,
    NUM_STATES
};

class RadioBattery : public WifiPhyListener
{
  public:
    RadioBattery(double initialJ, double capacityJ, double harvestW)
        : m_capacityJ(capacityJ),
          m_harvestW(harvestW),
          m_remainingJ(initialJ)
    {
    }

    void SetStatePower(int state, double powerW)
    {
        m_powerW[state] = powerW;
        m_maxRadioW = std::max(m_maxRadioW, powerW);
    }

    // Before this call the radio is on, but nothing is drawn or harvested.
    void StartMetering()
    {
        Advance();
        m_metering = true;
        CheckEmpty();
    }

    // Compute draws powerW from now for durationNs, beside the radio; for the living.
    void BeginCompute(double powerW, int64_t durationNs)
    {
        Advance();
        m_computeW = powerW;
        m_endComputeNs = m_lastNs + durationNs;
        CheckEmpty();
    }

    // Called when the battery is empty, never inside a change of the PHY's state: switches off.
    void OnDeath(std::function<void()> action)
    {
        m_onDeath = action;
    }

    // Ends the device if its battery is empty; else looks again when it could be at the earliest.
    void CheckEmpty()
    {
        m_check.Cancel();
        if (m_dead)
        {
            return;
        }
        Advance();
        if (m_remainingJ <= 0)
        {
            Die();
            return;
        }
        const double largestW = m_maxRadioW + (m_endComputeNs > m_lastNs ? m_computeW : 0.0);
        const double earliestNs = std::max(1e9 * m_remainingJ / largestW, MIN_CHECK_NS);
        // A battery that lasts for years needs no check within the range of simulated time.
        if (m_metering && earliestNs < MAX_CHECK_NS)
        {
            m_check = Simulator::Schedule(NanoSeconds(static_cast<int64_t>(earliestNs)),
                                          [this] { CheckEmpty(); });
        }
    }

    void Advance()
    {
        const int64_t nowNs = Simulator::Now().GetNanoSeconds();
        while (m_lastNs < nowNs)
        {
            int64_t untilNs = nowNs;
            const int state = StateAt(m_lastNs, untilNs);
            const bool computing = m_endComputeNs > m_lastNs && !m_dead;
            if (computing)
            {
                untilNs = std::min(untilNs, m_endComputeNs);
            }
            Spend(state, computing ? m_computeW : 0.0, untilNs - m_lastNs);
            m_lastNs = untilNs;
        }
    }

    int64_t StateNs(int state) const
    {
        return m_stateNs[state];
    }

    double RemainingJ() const
    {
        return m_remainingJ;
    }

    double ComputeJ() const
    {
        return m_computeJ;
    }

    double HarvestedJ() const
    {
        return m_harvestedJ;
    }

    double OverflowJ() const
    {
        return m_overflowJ;
    }

    // When the radio last sent, received, found the medium busy or switched channels.
    int64_t IdleSinceNs() const
    {
        return std::max({m_endTxNs, m_endRxNs, m_endCcaNs, m_endSwitchingNs});
    }

    // When the computing under way ends; in the past if there is none.
    int64_t ComputeEndNs() const
    {
        return m_endComputeNs;
    }

    bool IsDead() const
    {
        return m_dead;
    }

    int64_t DiedAtNs() const
    {
        return m_diedAtNs;
    }

    void NotifyRxStart(Time duration) override
    {
        Advance();
        EndCca();
        m_endRxNs = m_lastNs + duration.GetNanoSeconds();
    }

    void NotifyRxEndOk() override
    {
        Advance();
        m_endRxNs = m_lastNs;
    }

    void NotifyRxEndError() override
    {
        NotifyRxEndOk();
    }

    void NotifyTxStart(Time duration, dBm_u) override
    {
        Advance();
        m_endRxNs = std::min(m_endRxNs, m_lastNs);
        EndCca();
        m_endTxNs = m_lastNs + duration.GetNanoSeconds();
    }

    void NotifyCcaBusyStart(Time duration,
                            WifiChannelListType channelType,
                            const std::vector<Time>&) override
    {
        // As WifiPhyStateHelper: only the primary channel makes the PHY busy.
        if (channelType != WIFI_CHANLIST_PRIMARY)
        {
            return;
        }
        Advance();
        m_endCcaNs = std::max(m_endCcaNs, m_lastNs + duration.GetNanoSeconds());
    }

    void NotifySwitchingStart(Time duration) override
    {
        Advance();
        m_endRxNs = std::min(m_endRxNs, m_lastNs);
        m_endCcaNs = std::min(m_endCcaNs, m_lastNs);
        m_endSwitchingNs = m_lastNs + duration.GetNanoSeconds();
    }

    void NotifySleep() override
    {
        Advance();
        EndCca();
        m_endRxNs = std::min(m_endRxNs, m_lastNs);
        m_sleeping = true;
    }

    void NotifyWakeup() override
    {
        Advance();
        m_sleeping = false;
    }

    void NotifyOff() override
    {
        Advance();
        EndCca();
        m_endRxNs = std::min(m_endRxNs, m_lastNs);
        m_endTxNs = std::min(m_endTxNs, m_lastNs);
        m_off = true;
    }

    void NotifyOn() override
    {
        Advance();
        m_off = false;
    }

  private:
    static constexpr double MIN_CHECK_NS = 1e4;
    static constexpr double MAX_CHECK_NS = 1e17;

    // The state that holds at nowNs; untilNs is brought forward to where it ends.
    int StateAt(int64_t nowNs, int64_t& untilNs) const
    {
        if (m_off)
        {
            return OFF;
        }
        if (m_sleeping)
        {
            return SLEEP;
        }
        const std::array<std::pair<int64_t, int>, 4> ends{{{m_endTxNs, TX},
                                                           {m_endRxNs, RX},
                                                           {m_endSwitchingNs, SWITCHING},
                                                           {m_endCcaNs, CCA_BUSY}}};
        for (const auto& [endNs, state] : ends)
        {
            if (endNs > nowNs)
            {
                untilNs = std::min(untilNs, endNs);
                return state;
            }
        }
        return IDLE;
    }

    // WifiPhyStateHelper ends a CCA-busy period when another state takes over from it.
    void EndCca()
    {
        int64_t untilNs = std::numeric_limits<int64_t>::max();
        if (StateAt(m_lastNs, untilNs) == CCA_BUSY)
        {
            m_endCcaNs = m_lastNs;
        }
    }

    void Spend(int state, double computeW, int64_t durationNs)
    {
        if (!m_metering)
        {
            return;
        }
        m_stateNs[state] += durationNs;
        if (m_dead)
        {
            return;
        }
        const double durationS = 1e-9 * durationNs;
        const double harvestedJ = m_harvestW * durationS;
        m_computeJ += computeW * durationS;
        m_harvestedJ += harvestedJ;
        m_remainingJ += harvestedJ - (m_powerW[state] + computeW) * durationS;
        if (m_remainingJ > m_capacityJ)
        {
            m_overflowJ += m_remainingJ - m_capacityJ;
            m_remainingJ = m_capacityJ;
        }
    }

    void Die()
    {
        m_dead = true;
        m_diedAtNs = m_lastNs;
        m_endComputeNs = m_lastNs;
        m_onDeath();
    }

    double m_capacityJ;
    double m_harvestW;
    double m_remainingJ;
    double m_computeW{0};
    double m_computeJ{0};
    double m_harvestedJ{0};
    double m_overflowJ{0};
    double m_maxRadioW{0};
    bool m_metering{false};
    bool m_off{false};
    bool m_sleeping{false};
    bool m_dead{false};
    int64_t m_lastNs{0};
    int64_t m_endTxNs{0};
    int64_t m_endRxNs{0};
    int64_t m_endSwitchingNs{0};
    int64_t m_endCcaNs{0};
    int64_t m_endComputeNs{0};
    int64_t m_diedAtNs{-1};
    std::array<int64_t, NUM_STATES> m_stateNs{};
    std::array<double, NUM_STATES> m_powerW{};
    EventId m_check;
    std::function<void()> m_onDeath;
};

} // namespace cosim_native
