// What models of shadowing share, whatever they draw a link's value from.
#pragma once
#include <utility>
#include <vector>

#include "links.h"
#include "path_loss.h"

namespace cosim_native
{
using namespace ns3;

// A link loses LossInSightDb, or hiddenFactor times that where pathLoss has it out of sight.
class ShadowedLink : public LinkModel
{
  public:
    // startDb: n x n, of links between the nodes at the start.
    ShadowedLink(NodeContainer nodes,
                 std::vector<double> startDb,
                 Ptr<PropagationLossModel> pathLoss,
                 double hiddenFactor)
        : LinkModel(nodes),
          m_startDb(std::move(startDb)),
          m_pathLoss(pathLoss),
          m_hiddenFactor(hiddenFactor)
    {
    }

  protected:
    virtual double LossInSightDb(Ptr<MobilityModel> a, Ptr<MobilityModel> b) const = 0;

    double StartDb(uint32_t i, uint32_t j) const
    {
        return m_startDb[static_cast<size_t>(i) * n + j];
    }

  private:
    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        const double factor = m_hiddenFactor != 1 && IsHidden(m_pathLoss, a, b) ? m_hiddenFactor : 1;
        return txPowerDbm - factor * LossInSightDb(a, b);
    }

    std::vector<double> m_startDb;
    Ptr<PropagationLossModel> m_pathLoss;
    double m_hiddenFactor;
};

} // namespace cosim_native
