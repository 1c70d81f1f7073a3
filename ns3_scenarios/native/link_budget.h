// What the channel makes of each link, as the frames on it find out.
#pragma once
#include <unordered_map>

#include "ns3/channel.h"
#include "ns3/mobility-model.h"
#include "ns3/propagation-loss-model.h"

namespace cosim_native
{
using namespace ns3;

// Stands among the losses of a channel, behind all but fading, and keeps the power of the last frame
// that came by from each radio to each other one. The channel is asked nothing, so that no random
// number is drawn for it.
class LinkBudget : public PropagationLossModel
{
  public:
    // Before gains of the receiver; not a number before the first frame.
    double PowerDbm(const Ptr<MobilityModel>& from, const Ptr<MobilityModel>& to) const;

  private:
    double DoCalcRxPower(double powerDbm,
                         Ptr<MobilityModel> from,
                         Ptr<MobilityModel> to) const override;
    int64_t DoAssignStreams(int64_t) override;

    using PowerAt = std::unordered_map<const MobilityModel*, double>;
    mutable std::unordered_map<const MobilityModel*, PowerAt> m_powerDbm;
};

Ptr<PropagationLossModel> MakeLinkBudget();

// What arrives by the losses in front of the budget of a channel, which has one; for a plan before
// the first frame: whatever draws at its first look at a link draws now.
double PowerWithoutFadingDbm(Ptr<Channel> channel,
                             double powerDbm,
                             Ptr<MobilityModel> from,
                             Ptr<MobilityModel> to);

// That of a channel; none where the channel was made without.
Ptr<LinkBudget> LinkBudgetOf(Ptr<Channel> channel);

} // namespace cosim_native
