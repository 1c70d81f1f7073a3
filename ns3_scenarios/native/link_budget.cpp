#include "link_budget.h"

#include "hook.h"

#include "ns3/abort.h"
#include "ns3/pointer.h"
#include "ns3/spectrum-channel.h"

#include <limits>

namespace cosim_native
{
using namespace ns3;

double
LinkBudget::PowerDbm(const Ptr<MobilityModel>& from, const Ptr<MobilityModel>& to) const
{
    const auto sender = m_powerDbm.find(PeekPointer(from));
    if (sender != m_powerDbm.end())
    {
        const auto receiver = sender->second.find(PeekPointer(to));
        if (receiver != sender->second.end())
        {
            return receiver->second;
        }
    }
    return std::numeric_limits<double>::quiet_NaN();
}

double
LinkBudget::DoCalcRxPower(double powerDbm, Ptr<MobilityModel> from, Ptr<MobilityModel> to) const
{
    m_powerDbm[PeekPointer(from)][PeekPointer(to)] = powerDbm;
    return powerDbm;
}

int64_t
LinkBudget::DoAssignStreams(int64_t)
{
    return 0;
}

Ptr<PropagationLossModel>
MakeLinkBudget()
{
    return CreateObject<LinkBudget>();
}

namespace
{
// The first loss of a channel, which leads to the others.
Ptr<PropagationLossModel>
LossOf(Ptr<Channel> channel)
{
    PointerValue ofYans;
    if (auto spectrum = DynamicCast<SpectrumChannel>(channel))
    {
        return spectrum->GetPropagationLossModel();
    }
    if (channel && channel->GetAttributeFailSafe("PropagationLossModel", ofYans))
    {
        return ofYans.Get<PropagationLossModel>();
    }
    return nullptr;
}
} // namespace

double
PowerWithoutFadingDbm(Ptr<Channel> channel,
                      double powerDbm,
                      Ptr<MobilityModel> from,
                      Ptr<MobilityModel> to)
{
    const auto first = LossOf(channel);
    auto last = first;
    while (last && !DynamicCast<LinkBudget>(last->GetNext()))
    {
        last = last->GetNext();
    }
    NS_ABORT_MSG_IF(!last, "expected losses with a link budget behind them, got none");
    const auto rest = last->GetNext();
    last->SetNext(nullptr);
    const double receivedDbm = first->CalcRxPower(powerDbm, from, to);
    last->SetNext(rest);
    return receivedDbm;
}

Ptr<LinkBudget>
LinkBudgetOf(Ptr<Channel> channel)
{
    auto loss = LossOf(channel);
    while (loss && !DynamicCast<LinkBudget>(loss))
    {
        loss = loss->GetNext();
    }
    return DynamicCast<LinkBudget>(loss);
}

} // namespace cosim_native
