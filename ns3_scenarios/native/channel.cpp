#include "channel.h"

#include "ns3/channel-condition-model.h"
#include "ns3/mobility-model.h"
#include "ns3/multi-model-spectrum-channel.h"
#include "ns3/object-factory.h"
#include "ns3/pointer.h"
#include "ns3/propagation-delay-model.h"
#include "ns3/random-variable-stream.h"
#include "ns3/simulator.h"
#include "ns3/spectrum-wifi-helper.h"
#include "ns3/string.h"
#include "ns3/three-gpp-propagation-loss-model.h"
#include "ns3/yans-wifi-channel.h"
#include "ns3/yans-wifi-helper.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

namespace cosim_native
{
using namespace ns3;

namespace
{
// A loss that belongs to pairs of nodes, by their indices.
class LinkModel : public PropagationLossModel
{
  public:
    explicit LinkModel(NodeContainer nodes)
        : n(nodes.GetN())
    {
        for (uint32_t i = 0; i < n; ++i)
        {
            m_indexOf[PeekPointer(nodes.Get(i)->GetObject<MobilityModel>())] = i;
        }
    }

  protected:
    // Other nodes are numbered from n on, as they come.
    uint32_t IndexOf(const Ptr<MobilityModel>& node) const
    {
        const auto next = static_cast<uint32_t>(m_indexOf.size());
        return m_indexOf.emplace(PeekPointer(node), next).first->second;
    }

    int64_t DoAssignStreams(int64_t) override
    {
        return 0; // each link has its own, given when it is made
    }

    // A stream of each pair, the same in both directions.
    template <typename Variable>
    static Ptr<Variable> StreamOf(uint32_t i, uint32_t j, int64_t firstStream)
    {
        const int64_t high = std::max(i, j);
        auto variable = CreateObject<Variable>();
        variable->SetStream(firstStream + high * (high - 1) / 2 + std::min(i, j));
        return variable;
    }

    const uint32_t n;

  private:
    mutable std::unordered_map<const MobilityModel*, uint32_t> m_indexOf;
};

uint64_t
PairOf(uint32_t i, uint32_t j)
{
    return (static_cast<uint64_t>(std::max(i, j)) << 32) | std::min(i, j);
}

// How far the two ends of a link have moved together since the last call of Restart.
class Movement
{
  public:
    double MetresSince(const Ptr<MobilityModel>& low, const Ptr<MobilityModel>& high) const
    {
        return CalculateDistance(m_low, low->GetPosition()) +
               CalculateDistance(m_high, high->GetPosition());
    }

    void Restart(const Ptr<MobilityModel>& low, const Ptr<MobilityModel>& high)
    {
        m_low = low->GetPosition();
        m_high = high->GetPosition();
    }

  private:
    Vector m_low;
    Vector m_high;
};

class ShadowingModel : public LinkModel
{
  public:
    ShadowingModel(NodeContainer nodes,
                   std::vector<double> startDb,
                   double sigmaDb,
                   double decorrelationM,
                   int64_t firstStream)
        : LinkModel(nodes),
          m_startDb(std::move(startDb)),
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

    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        uint32_t i = IndexOf(a);
        uint32_t j = IndexOf(b);
        const bool isOurs = i < n && j < n;
        if (m_decorrelationM <= 0 && isOurs)
        {
            return txPowerDbm - m_startDb[static_cast<size_t>(i) * n + j];
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
            const double startDb = isOurs ? m_startDb[static_cast<size_t>(i) * n + j]
                                          : m_sigmaDb * normal->GetValue(0, 1, 1e9);
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
        return txPowerDbm - link.lossDb;
    }

    std::vector<double> m_startDb;
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

class DeviceToDeviceModel : public LinkModel
{
  public:
    DeviceToDeviceModel(NodeContainer nodes,
                        double frequencyHz,
                        double decorrelationM,
                        int64_t firstStream)
        : LinkModel(nodes),
          m_frequencyHz(frequencyHz),
          m_decorrelationM(decorrelationM),
          m_firstStream(firstStream)
    {
    }

  private:
    static constexpr double LIGHT_M_PER_S = 299792458.0;
    static constexpr double HEIGHT_M = 1.5;
    static constexpr double EFFECTIVE_HEIGHT_M = 0.8;
    static constexpr double NLOS_OFFSET_DB = -5;

    struct Link
    {
        bool isLos;
        Movement movement;
        Ptr<UniformRandomVariable> uniform;
    };

    static double LosProbability(double d)
    {
        return std::min(18 / d, 1.0) * (1 - std::exp(-d / 36)) + std::exp(-d / 36);
    }

    double LossDb(double d, bool isLos) const
    {
        const double fGhz = m_frequencyHz / 1e9;
        const double h = EFFECTIVE_HEIGHT_M;
        const double freeSpaceDb = 20 * std::log10(4 * M_PI * d * m_frequencyHz / LIGHT_M_PER_S);
        double b1Db;
        if (!isLos)
        {
            b1Db = (44.9 - 6.55 * std::log10(HEIGHT_M)) * std::log10(d) +
                   5.83 * std::log10(HEIGHT_M) + 18.38 + 23 * std::log10(fGhz) + NLOS_OFFSET_DB;
        }
        else if (d < 4 * h * h * m_frequencyHz / LIGHT_M_PER_S)
        {
            b1Db = 22.7 * std::log10(d) + 27 + 20 * std::log10(fGhz);
        }
        else
        {
            b1Db = 40 * std::log10(d) + 7.56 - 2 * 17.3 * std::log10(h) + 2.7 * std::log10(fGhz);
        }
        return std::max(freeSpaceDb, b1Db);
    }

    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        uint32_t i = IndexOf(a);
        uint32_t j = IndexOf(b);
        if (i > j)
        {
            std::swap(i, j);
            std::swap(a, b);
        }
        const double d = std::max(a->GetDistanceFrom(b), 1.0);
        auto found = m_links.find(PairOf(i, j));
        if (found == m_links.end())
        {
            Link link{false, {}, StreamOf<UniformRandomVariable>(i, j, m_firstStream)};
            Draw(link, d, a, b);
            found = m_links.emplace(PairOf(i, j), link).first;
        }
        Link& link = found->second;
        if (m_decorrelationM > 0 && link.movement.MetresSince(a, b) >= m_decorrelationM)
        {
            Draw(link, d, a, b);
        }
        return txPowerDbm - LossDb(d, link.isLos);
    }

    static void Draw(Link& link,
                     double d,
                     const Ptr<MobilityModel>& a,
                     const Ptr<MobilityModel>& b)
    {
        link.isLos = link.uniform->GetValue() < LosProbability(d);
        link.movement.Restart(a, b);
    }

    double m_frequencyHz;
    double m_decorrelationM;
    int64_t m_firstStream;
    mutable std::unordered_map<uint64_t, Link> m_links;
};

class VehicleModel : public LinkModel
{
  public:
    VehicleModel(NodeContainer nodes,
                 Ptr<ThreeGppPropagationLossModel> drawing,
                 double losAt1mDb,
                 double losSlopeDb)
        : LinkModel(nodes),
          m_drawing(drawing),
          m_losAt1mDb(losAt1mDb),
          m_losSlopeDb(losSlopeDb)
    {
    }

  private:
    struct Link
    {
        Ptr<ChannelCondition> sight;
        double blockageDb;
    };

    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        // A condition is an object of its own, which a link keeps until the next is drawn.
        const auto sight = m_drawing->GetChannelConditionModel()->GetChannelCondition(a, b);
        if (!sight->IsNlosv())
        {
            return m_drawing->CalcRxPower(txPowerDbm, a, b);
        }
        const double losDb = m_losAt1mDb + m_losSlopeDb * std::log10(CalculateDistance(
                                               a->GetPosition(), b->GetPosition()));
        Link& link = m_links[PairOf(IndexOf(a), IndexOf(b))];
        if (link.sight != sight)
        {
            const double lossDb = txPowerDbm - m_drawing->CalcRxPower(txPowerDbm, a, b);
            link = {sight, lossDb - losDb};
        }
        return txPowerDbm - losDb - link.blockageDb;
    }

    Ptr<ThreeGppPropagationLossModel> m_drawing;
    double m_losAt1mDb;
    double m_losSlopeDb;
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

Ptr<PropagationLossModel>
PathLoss(const std::string& model,
         const std::vector<std::string>& attributes,
         const std::string& condition,
         double updateS,
         int64_t firstStream)
{
    ObjectFactory factory(model);
    for (size_t i = 0; i + 1 < attributes.size(); i += 2)
    {
        factory.Set(attributes[i], StringValue(attributes[i + 1]));
    }
    auto loss = factory.Create<PropagationLossModel>();
    if (!condition.empty())
    {
        auto sight = ObjectFactory(condition).Create<ChannelConditionModel>();
        sight->SetAttribute("UpdatePeriod", TimeValue(Seconds(updateS)));
        sight->AssignStreams(firstStream);
        loss->SetAttribute("ChannelConditionModel", PointerValue(sight));
    }
    loss->AssignStreams(firstStream + 1);
    return loss;
}

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
          int64_t firstStream)
{
    return CreateObject<ShadowingModel>(nodes, startDb, sigmaDb, decorrelationM, firstStream);
}

Ptr<PropagationLossModel>
BlockFading(NodeContainer nodes, double m, double coherenceS, int64_t firstStream)
{
    return CreateObject<BlockFadingModel>(nodes, m, coherenceS, firstStream);
}

Ptr<PropagationLossModel>
DeviceToDeviceLoss(NodeContainer nodes,
                   double frequencyHz,
                   double decorrelationM,
                   int64_t firstStream)
{
    return CreateObject<DeviceToDeviceModel>(nodes, frequencyHz, decorrelationM, firstStream);
}

Ptr<PropagationLossModel>
VehicleLoss(NodeContainer nodes,
            bool highway,
            double frequencyHz,
            double updateS,
            int64_t firstStream)
{
    const std::string place = highway ? "Highway" : "Urban";
    auto drawing = PathLoss("ns3::ThreeGppV2v" + place + "PropagationLossModel",
                            {"Frequency", std::to_string(frequencyHz), "ShadowingEnabled", "false"},
                            "ns3::ProbabilisticV2v" + place + "ChannelConditionModel",
                            updateS,
                            firstStream);
    const double fDb = std::log10(frequencyHz / 1e9);
    return CreateObject<VehicleModel>(nodes,
                                      DynamicCast<ThreeGppPropagationLossModel>(drawing),
                                      highway ? 32.4 + 20 * fDb : 38.77 + 18.2 * fDb,
                                      highway ? 20 : 16.7);
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
