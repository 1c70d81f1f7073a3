#include "air.h"

#include "hook.h"

#include "ns3/constant-position-mobility-model.h"
#include "ns3/propagation-delay-model.h"
#include "ns3/simulator.h"
#include "ns3/wifi-net-device.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/wifi-utils.h"
#include "ns3/yans-wifi-helper.h"
#include "ns3/yans-wifi-phy.h"

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

    // txPowerDbm: with the sender's antenna gain.
    void Send(const YansWifiPhy* sender, const Ptr<const WifiPpdu>& ppdu, double txPowerDbm)
    {
        if (m_radios.size() != GetNDevices())
        {
            Enlist();
        }
        const size_t i = m_indexOf.at(sender);
        const auto channel = sender->GetChannelNumber();
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
            Simulator::ScheduleWithContext(radio.node,
                                           path.delay,
                                           &LeanChannel::Receive,
                                           radio.phy,
                                           ppdu,
                                           path.rxPowerDbm);
        }
    }

  private:
    static constexpr double NONE = std::numeric_limits<double>::quiet_NaN(); // equals no power

    struct Radio
    {
        Ptr<YansWifiPhy> phy;
        Ptr<MobilityModel> place;
        uint32_t node;
        bool stays;
    };

    struct Path
    {
        double txPowerDbm{NONE}; // for which the rest holds
        double rxPowerDbm{0};    // with the receiver's antenna gain
        Time delay;
    };

    void Enlist()
    {
        for (size_t k = m_radios.size(); k < GetNDevices(); ++k)
        {
            auto device = DynamicCast<WifiNetDevice>(GetDevice(k));
            auto phy = DynamicCast<YansWifiPhy>(device->GetPhy());
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
        return {from.stays && to.stays ? txPowerDbm : NONE,
                m_loss->CalcRxPower(txPowerDbm, from.place, to.place) + to.phy->GetRxGain(),
                m_delay->GetDelay(from.place, to.place)};
    }

    static void Receive(Ptr<YansWifiPhy> phy, Ptr<const WifiPpdu> ppdu, double rxPowerDbm)
    {
        phy->TraceSignalArrival(ppdu, rxPowerDbm, ppdu->GetTxDuration());
        RxPowerWattPerChannelBand powerW;
        powerW[phy->GetBand(MHz_u{20})] = DbmToW(rxPowerDbm);
        phy->StartReceivePreamble(ppdu, powerW, ppdu->GetTxDuration());
    }

    Ptr<PropagationLossModel> m_loss;
    Ptr<PropagationDelayModel> m_delay;
    bool m_lossesStay;
    std::vector<Radio> m_radios; // in the order of the channel's list
    std::unordered_map<const YansWifiPhy*, size_t> m_indexOf;
    std::vector<std::vector<Path>> m_pathsFrom; // from, to
};

class LeanPhy : public YansWifiPhy
{
  public:
    static TypeId GetTypeId()
    {
        static TypeId id = TypeId("cosim_native::LeanPhy")
                               .SetParent<YansWifiPhy>()
                               .AddConstructor<LeanPhy>();
        return id;
    }

    void StartTx(Ptr<const WifiPpdu> ppdu) override
    {
        m_signalTransmissionCb(ppdu, ppdu->GetTxVector());
        static_cast<LeanChannel*>(PeekPointer(GetChannel()))
            ->Send(this, ppdu, GetTxPowerForTransmission(ppdu) + GetTxGain());
    }
};

class LeanPhyHelper : public YansWifiPhyHelper
{
  public:
    explicit LeanPhyHelper(Ptr<YansWifiChannel> channel)
    {
        m_phys.front().SetTypeId(LeanPhy::GetTypeId());
        SetChannel(channel);
    }
};
} // namespace

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
