// One battery per device, drained by its radio, by its computing and by what its board always draws.
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
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
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

// The same by name, as whoever is not C++ knows them.
inline constexpr std::array<const char*, NUM_STATES> RADIO_STATE_NAMES{
    "tx", "rx", "idle", "cca_busy", "switching", "sleep", "off"};

// Power that is harvested from an instant after StartMetering on, until the next one.
struct HarvestStep
{
    int64_t fromNs;
    double powerW;
};

class RadioBattery : public WifiPhyListener
{
  public:
    // harvest: one step or more, the first from 0 on. boardW: drawn while the device lives.
    // revivalJ: at how much a dead device comes back to life; none if infinite.
    RadioBattery(double initialJ,
                 double capacityJ,
                 std::vector<HarvestStep> harvest,
                 double boardW,
                 double revivalJ)
        : m_capacityJ(capacityJ),
          m_harvest(std::move(harvest)),
          m_harvestW(m_harvest.front().powerW),
          m_boardW(boardW),
          m_revivalJ(revivalJ),
          m_remainingJ(initialJ)
    {
    }

    void SetStatePower(int state, double powerW)
    {
        m_powerW[state] = powerW;
        m_maxRadioW = std::max(m_maxRadioW, powerW);
    }

    // From now on the radio draws this while it sends.
    void ChangeTxPower(double powerW)
    {
        Advance();
        SetStatePower(TX, powerW);
        Check();
    }

    // Before this call the radio is on, but nothing is drawn or harvested.
    void StartMetering()
    {
        Advance();
        m_metering = true;
        for (size_t i = 1; i < m_harvest.size(); ++i)
        {
            Simulator::Schedule(NanoSeconds(m_harvest[i].fromNs),
                                [this, powerW = m_harvest[i].powerW] { ChangeHarvest(powerW); });
        }
        Check();
    }

    // Compute draws powerW from now for durationNs, beside the radio; for the living.
    void BeginCompute(double powerW, int64_t durationNs)
    {
        Advance();
        m_computeW = powerW;
        m_endComputeNs = m_lastNs + durationNs;
        Check();
    }

    // Called when the battery is empty, never inside a change of the PHY's state: switches off.
    void OnDeath(std::function<void()> action)
    {
        m_onDeath = action;
    }

    // Called when the battery is up to revivalJ again: switches on.
    void OnRevival(std::function<void()> action)
    {
        m_onRevival = action;
    }

    // Ends the device if its battery is empty, revives it if it is full enough again; else looks
    // again when either could be at the earliest.
    void Check()
    {
        m_check.Cancel();
        Advance();
        if (m_dead && IsFullEnough())
        {
            m_dead = false;
            m_revivedAtNs = m_lastNs;
            m_onRevival();
        }
        else if (!m_dead && m_remainingJ <= 0)
        {
            Die();
        }
        const double earliestNs = m_dead ? RevivalNs() : EmptyNs();
        // A battery that lasts for years needs no check within the range of simulated time.
        if (m_metering && earliestNs < MAX_CHECK_NS)
        {
            m_check = Simulator::Schedule(
                NanoSeconds(static_cast<int64_t>(std::max(earliestNs, MIN_CHECK_NS))),
                [this] { Check(); });
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

    double BoardJ() const
    {
        return m_boardJ;
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

    // The last death; -1 if there was none.
    int64_t DiedAtNs() const
    {
        return m_diedAtNs;
    }

    // The last revival; -1 if there was none.
    int64_t RevivedAtNs() const
    {
        return m_revivedAtNs;
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
    // A board needs that long to start, and by then ns-3 is through with all exchanges of frames that
    // the death has cut off.
    static constexpr int64_t MIN_DEAD_NS = 1'000'000'000;

    // What came before is booked at the old power, and the next death or revival looked for anew.
    void ChangeHarvest(double powerW)
    {
        Advance();
        m_harvestW = powerW;
        Check();
    }

    bool IsFullEnough() const
    {
        return m_remainingJ >= m_revivalJ && m_lastNs >= m_diedAtNs + MIN_DEAD_NS;
    }

    double RevivalNs() const
    {
        const double missingJ = m_revivalJ - m_remainingJ;
        const double chargedNs = missingJ > 0 ? std::ceil(1e9 * missingJ / m_harvestW) : 0.0;
        return std::max(chargedNs, static_cast<double>(m_diedAtNs + MIN_DEAD_NS - m_lastNs));
    }

    double EmptyNs() const
    {
        const double largestW =
            m_maxRadioW + (m_endComputeNs > m_lastNs ? m_computeW : 0.0) + m_boardW;
        return 1e9 * m_remainingJ / largestW;
    }

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
        // Without a way back to life, what a dead device harvests is nobody's.
        if (m_dead && std::isinf(m_revivalJ))
        {
            return;
        }
        const double durationS = 1e-9 * durationNs;
        const double harvestedJ = m_harvestW * durationS;
        const double boardW = m_dead ? 0.0 : m_boardW;
        m_boardJ += boardW * durationS;
        m_computeJ += computeW * durationS;
        m_harvestedJ += harvestedJ;
        m_remainingJ += harvestedJ - (m_powerW[state] + computeW + boardW) * durationS;
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
    std::vector<HarvestStep> m_harvest;
    double m_harvestW;
    double m_boardW;
    double m_revivalJ;
    double m_remainingJ;
    double m_computeW{0};
    double m_computeJ{0};
    double m_boardJ{0};
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
    int64_t m_revivedAtNs{-1};
    std::array<int64_t, NUM_STATES> m_stateNs{};
    std::array<double, NUM_STATES> m_powerW{};
    EventId m_check;
    std::function<void()> m_onDeath;
    std::function<void()> m_onRevival;
};

} // namespace cosim_native
