#include "link_budget.h"

#include "hook.h"

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

Ptr<LinkBudget>
LinkBudgetOf(Ptr<Channel> channel)
{
    Ptr<PropagationLossModel> loss;
    PointerValue ofYans;
    if (auto spectrum = DynamicCast<SpectrumChannel>(channel))
    {
        loss = spectrum->GetPropagationLossModel();
    }
    else if (channel && channel->GetAttributeFailSafe("PropagationLossModel", ofYans))
    {
        loss = ofYans.Get<PropagationLossModel>();
    }
    while (loss && !DynamicCast<LinkBudget>(loss))
    {
        loss = loss->GetNext();
    }
    return DynamicCast<LinkBudget>(loss);
}

} // namespace cosim_native
