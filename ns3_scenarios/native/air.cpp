#include "air.h"

#include "hook.h"
#include "lean_phy.h"
#include "table_error_rate.h"

#include "ns3/abort.h"
#include "ns3/constant-position-mobility-model.h"
#include "ns3/propagation-delay-model.h"
#include "ns3/simulator.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-utils.h"
#include "ns3/yans-wifi-helper.h"

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

namespace cosim_native
{
using namespace ns3;

namespace
{
class LeanChannel : public YansWifiChannel
{
  public:
    LeanChannel(Ptr<PropagationLossModel> loss, bool lossesStay)
        : m_loss(loss),
          m_delay(CreateObject<ConstantSpeedPropagationDelayModel>()),
          m_lossesStay(lossesStay)
    {
        SetPropagationLossModel(m_loss); // for those who ask the channel for it
        SetPropagationDelayModel(m_delay);
    }

    void Send(const LeanPhy* sender, const Ptr<const WifiPpdu>& ppdu, double txPowerDbm)
    {
        if (m_radios.size() != GetNDevices())
        {
            Enlist();
        }
        const size_t i = m_indexOf.at(sender);
        const auto channel = sender->GetChannelNumber();
        const Time duration = ppdu->GetTxDuration();
        // As YansWifiChannel::Receive has it: sensitivity is that in 20 MHz.
        const double wider = RatioToDb(ppdu->GetTxChannelWidth() / MHz_u{20});
        for (size_t k = 0; k < m_radios.size(); ++k)
        {
            const auto& radio = m_radios[k];
            if (k == i || radio.phy->GetChannelNumber() != channel)
            {
                continue;
            }
            Path& path = m_pathsFrom[i][k];
            if (path.txPowerDbm != txPowerDbm)
            {
                path = Look(m_radios[i], radio, txPowerDbm);
            }
            if (path.rxPowerDbm < radio.phy->GetRxSensitivity() + wider)
            {
                continue;
            }
            auto arrive = [phy = PeekPointer(radio.phy),
                           ppdu,
                           duration,
                           powerW = path.rxPowerW,
                           isFaint = path.isFaint] { phy->Arrive(ppdu, duration, powerW, isFaint); };
            Simulator::ScheduleWithContext(radio.node, path.delay, arrive);
        }
    }

  private:
    static constexpr double NONE = std::numeric_limits<double>::quiet_NaN(); // equals no power

    struct Radio
    {
        Ptr<LeanPhy> phy;
        Ptr<MobilityModel> place;
        uint32_t node;
        bool stays;
    };

    struct Path
    {
        double txPowerDbm{NONE}; // for which the rest holds
        double rxPowerDbm{0};    // with the gain of the receiver's antenna
        double rxPowerW{0};
        bool isFaint{false};
        Time delay;
    };

    void Enlist()
    {
        for (size_t k = m_radios.size(); k < GetNDevices(); ++k)
        {
            auto device = DynamicCast<WifiNetDevice>(GetDevice(k));
            auto phy = DynamicCast<LeanPhy>(device->GetPhy());
            NS_ABORT_MSG_IF(!phy, "expected radios by LeanPhyOn or LeanPhyBeside, got another");
            phy->Begin();
            auto place = phy->GetMobility()->GetObject<MobilityModel>();
            const bool stays = m_lossesStay && DynamicCast<ConstantPositionMobilityModel>(place);
            m_radios.push_back({phy, place, device->GetNode()->GetId(), stays});
            m_indexOf[PeekPointer(phy)] = k;
            place->TraceConnectWithoutContext(
                "CourseChange",
                Hook<void, Ptr<const MobilityModel>>([this](Ptr<const MobilityModel>) { Forget(); }));
        }
        Forget();
    }

    void Forget()
    {
        m_pathsFrom.assign(m_radios.size(), std::vector<Path>(m_radios.size()));
    }

    Path Look(const Radio& from, const Radio& to, double txPowerDbm) const
    {
        const double rxPowerDbm =
            m_loss->CalcRxPower(txPowerDbm, from.place, to.place) + to.phy->GetRxGain();
        const double rxPowerW = DbmToW(rxPowerDbm);
        return {from.stays && to.stays ? txPowerDbm : NONE,
                rxPowerDbm,
                rxPowerW,
                to.phy->IsFaint(rxPowerW),
                m_delay->GetDelay(from.place, to.place)};
    }

    Ptr<PropagationLossModel> m_loss;
    Ptr<PropagationDelayModel> m_delay;
    bool m_lossesStay;
    std::vector<Radio> m_radios; // in the order of the channel's list
    std::unordered_map<const LeanPhy*, size_t> m_indexOf;
    std::vector<std::vector<Path>> m_pathsFrom; // from, to
};

class LeanPhyHelper : public YansWifiPhyHelper
{
  public:
    explicit LeanPhyHelper(Ptr<YansWifiChannel> channel)
    {
        m_phys.front().SetTypeId(LeanPhy::GetTypeId());
        SetInterferenceHelper(LateSums::GetTypeId().GetName());
        SetErrorRateModel(TableErrorRate::GetTypeId().GetName());
        SetChannel(channel);
    }
};
} // namespace

void
SendOnLeanAir(const LeanPhy* sender, const Ptr<const WifiPpdu>& ppdu, double txPowerDbm)
{
    static_cast<LeanChannel&>(*sender->GetChannel()).Send(sender, ppdu, txPowerDbm);
}

std::unique_ptr<WifiPhyHelper>
LeanPhyOn(Ptr<PropagationLossModel> loss, bool lossesStay)
{
    return std::make_unique<LeanPhyHelper>(CreateObject<LeanChannel>(loss, lossesStay));
}

std::unique_ptr<WifiPhyHelper>
LeanPhyBeside(Ptr<YansWifiChannel> channel)
{
    if (!DynamicCast<LeanChannel>(channel))
    {
        return nullptr;
    }
    return std::make_unique<LeanPhyHelper>(channel);
}

} // namespace cosim_native
