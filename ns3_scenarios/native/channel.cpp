#include "channel.h"

#include "ns3/mobility-model.h"
#include "ns3/multi-model-spectrum-channel.h"
#include "ns3/propagation-delay-model.h"
#include "ns3/random-variable-stream.h"
#include "ns3/simulator.h"
#include "ns3/spectrum-wifi-helper.h"
#include "ns3/yans-wifi-channel.h"
#include "ns3/yans-wifi-helper.h"

#include "links.h"
#include "shadowed_link.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

namespace cosim_native
{
using namespace ns3;

namespace
{
class ShadowingModel : public ShadowedLink
{
  public:
    ShadowingModel(NodeContainer nodes,
                   std::vector<double> startDb,
                   double sigmaDb,
                   double decorrelationM,
                   int64_t firstStream,
                   Ptr<PropagationLossModel> pathLoss,
                   double hiddenFactor)
        : ShadowedLink(nodes, std::move(startDb), pathLoss, hiddenFactor),
          m_sigmaDb(sigmaDb),
          m_decorrelationM(decorrelationM),
          m_firstStream(firstStream)
    {
    }

  private:
    // Smaller steps are put off: a value per frame would cost more than it tells.
    static constexpr double STEP_M = 0.1;

    struct Link
    {
        double lossDb;
        Movement movement;
        Ptr<NormalRandomVariable> normal;
    };

    double LossInSightDb(Ptr<MobilityModel> a, Ptr<MobilityModel> b) const override
    {
        uint32_t i = IndexOf(a);
        uint32_t j = IndexOf(b);
        const bool isOurs = i < n && j < n;
        if (m_decorrelationM <= 0 && isOurs)
        {
            return StartDb(i, j);
        }
        if (i > j)
        {
            std::swap(i, j);
            std::swap(a, b);
        }
        auto found = m_links.find(PairOf(i, j));
        if (found == m_links.end())
        {
            auto normal = StreamOf<NormalRandomVariable>(i, j, m_firstStream);
            const double startDb =
                isOurs ? StartDb(i, j) : m_sigmaDb * normal->GetValue(0, 1, 1e9);
            Link link{startDb, {}, normal};
            link.movement.Restart(a, b);
            found = m_links.emplace(PairOf(i, j), link).first;
        }
        Link& link = found->second;
        const double movedM = link.movement.MetresSince(a, b);
        if (m_decorrelationM > 0 && movedM >= STEP_M)
        {
            const double rho = std::exp(-movedM / m_decorrelationM);
            link.lossDb = rho * link.lossDb +
                          std::sqrt(1 - rho * rho) * m_sigmaDb * link.normal->GetValue(0, 1, 1e9);
            link.movement.Restart(a, b);
        }
        return link.lossDb;
    }

    double m_sigmaDb;
    double m_decorrelationM;
    int64_t m_firstStream;
    mutable std::unordered_map<uint64_t, Link> m_links;
};

class BlockFadingModel : public LinkModel
{
  public:
    BlockFadingModel(NodeContainer nodes, double m, double coherenceS, int64_t firstStream)
        : LinkModel(nodes),
          m_shape(m),
          m_coherenceNs(Seconds(coherenceS).GetNanoSeconds()),
          m_firstStream(firstStream)
    {
    }

  private:
    struct Link
    {
        int64_t phaseNs;
        int64_t block{-1};
        double gainDb{0};
        Ptr<GammaRandomVariable> gamma;
    };

    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        const uint32_t i = IndexOf(a);
        const uint32_t j = IndexOf(b);
        auto found = m_links.find(PairOf(i, j));
        if (found == m_links.end())
        {
            auto gamma = StreamOf<GammaRandomVariable>(i, j, m_firstStream);
            // The phase is a draw of the same stream: Gamma(1, 1) is exponential.
            const double uniform = std::exp(-gamma->GetValue(1, 1));
            found = m_links
                        .emplace(PairOf(i, j),
                                 Link{static_cast<int64_t>(uniform * m_coherenceNs), -1, 0, gamma})
                        .first;
        }
        Link& link = found->second;
        const int64_t block =
            (Simulator::Now().GetNanoSeconds() + link.phaseNs) / m_coherenceNs;
        if (block != link.block)
        {
            link.block = block;
            link.gainDb = 10 * std::log10(link.gamma->GetValue(m_shape, 1 / m_shape));
        }
        return txPowerDbm + link.gainDb;
    }

    double m_shape;
    int64_t m_coherenceNs;
    int64_t m_firstStream;
    mutable std::unordered_map<uint64_t, Link> m_links;
};

class LossTraceModel : public LinkModel
{
  public:
    LossTraceModel(NodeContainer nodes,
                   std::vector<double> timesS,
                   std::vector<double> lossDb,
                   double startS,
                   double periodS,
                   TraceEnd end)
        : LinkModel(nodes),
          m_timesS(std::move(timesS)),
          m_lossDb(std::move(lossDb)),
          m_startS(startS),
          m_periodS(periodS),
          m_end(end)
    {
    }

  private:
    static constexpr double UNHEARD_DB = 1e3;

    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        const uint32_t i = IndexOf(a);
        const uint32_t j = IndexOf(b);
        if (i >= n || j >= n)
        {
            return txPowerDbm - UNHEARD_DB;
        }
        double t = Simulator::Now().GetSeconds() - m_startS;
        if (m_end == LOOP && t >= m_periodS)
        {
            t = std::fmod(t, m_periodS);
        }
        const auto after = std::upper_bound(m_timesS.begin(), m_timesS.end(), t);
        const size_t row = std::max<int64_t>(after - m_timesS.begin() - 1, 0);
        return txPowerDbm - m_lossDb[(row * n + i) * n + j];
    }

    std::vector<double> m_timesS;
    std::vector<double> m_lossDb;
    double m_startS;
    double m_periodS;
    TraceEnd m_end;
};
} // namespace

std::unique_ptr<WifiPhyHelper>
PhyOn(Ptr<PropagationLossModel> loss, bool spectrum)
{
    auto delay = CreateObject<ConstantSpeedPropagationDelayModel>();
    if (spectrum)
    {
        auto channel = CreateObject<MultiModelSpectrumChannel>();
        channel->AddPropagationLossModel(loss);
        channel->SetPropagationDelayModel(delay);
        auto helper = std::make_unique<SpectrumWifiPhyHelper>();
        helper->SetChannel(channel);
        return helper;
    }
    auto channel = CreateObject<YansWifiChannel>();
    channel->SetPropagationLossModel(loss);
    channel->SetPropagationDelayModel(delay);
    auto helper = std::make_unique<YansWifiPhyHelper>();
    helper->SetChannel(channel);
    return helper;
}

Ptr<PropagationLossModel>
Shadowing(NodeContainer nodes,
          const std::vector<double>& startDb,
          double sigmaDb,
          double decorrelationM,
          int64_t firstStream,
          Ptr<PropagationLossModel> pathLoss,
          double hiddenFactor)
{
    return CreateObject<ShadowingModel>(nodes,
                                        startDb,
                                        sigmaDb,
                                        decorrelationM,
                                        firstStream,
                                        pathLoss,
                                        hiddenFactor);
}

Ptr<PropagationLossModel>
BlockFading(NodeContainer nodes, double m, double coherenceS, int64_t firstStream)
{
    return CreateObject<BlockFadingModel>(nodes, m, coherenceS, firstStream);
}

Ptr<PropagationLossModel>
LossTrace(NodeContainer nodes,
          const std::vector<double>& timesS,
          const std::vector<double>& lossDb,
          double startS,
          double periodS,
          TraceEnd end)
{
    return CreateObject<LossTraceModel>(nodes, timesS, lossDb, startS, periodS, end);
}

} // namespace cosim_native
