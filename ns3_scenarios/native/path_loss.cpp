#include "path_loss.h"

#include "ns3/channel-condition-model.h"
#include "ns3/constant-position-mobility-model.h"
#include "ns3/object-factory.h"
#include "ns3/pointer.h"
#include "ns3/random-variable-stream.h"
#include "ns3/string.h"
#include "ns3/three-gpp-propagation-loss-model.h"

#include "links.h"

#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace cosim_native
{
using namespace ns3;

namespace
{
// Two places, put apart where they are too near.
class Apart
{
  public:
    Apart(double leastM, bool onGround)
        : m_leastM(leastM),
          m_onGround(onGround)
    {
    }

    std::pair<Ptr<MobilityModel>, Ptr<MobilityModel>> Of(Ptr<MobilityModel> a,
                                                         Ptr<MobilityModel> b) const
    {
        const Vector from = a->GetPosition();
        const Vector to = b->GetPosition();
        const Vector gap = to - from;
        const double groundM = std::hypot(gap.x, gap.y);
        const double apartM = m_onGround ? groundM : gap.GetLength();
        if (apartM >= m_leastM)
        {
            return {a, b};
        }
        // Along the ground: heights are kept.
        const double awayM =
            m_onGround ? m_leastM : std::sqrt(m_leastM * m_leastM - gap.z * gap.z);
        const double x = groundM > 0 ? gap.x / groundM : 1;
        const double y = groundM > 0 ? gap.y / groundM : 0;
        m_from->SetPosition(from);
        m_to->SetPosition(Vector(from.x + x * awayM, from.y + y * awayM, to.z));
        return {m_from, m_to};
    }

  private:
    double m_leastM;
    bool m_onGround;
    Ptr<MobilityModel> m_from{CreateObject<ConstantPositionMobilityModel>()};
    Ptr<MobilityModel> m_to{CreateObject<ConstantPositionMobilityModel>()};
};

// Shows ns-3's list of attributes in use the model that lies within.
class HeldApartModel : public PropagationLossModel
{
  public:
    static TypeId GetTypeId()
    {
        static TypeId id =
            TypeId("cosim::HeldApart")
                .SetParent<PropagationLossModel>()
                .AddAttribute("Loss",
                              "The loss of ends that are not too near.",
                              PointerValue(),
                              MakePointerAccessor(&HeldApartModel::m_loss),
                              MakePointerChecker<PropagationLossModel>());
        return id;
    }

    HeldApartModel(Ptr<PropagationLossModel> loss, double leastM, bool onGround)
        : m_loss(loss),
          m_apart(leastM, onGround)
    {
    }

  private:
    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        const auto [from, to] = m_apart.Of(a, b);
        return m_loss->CalcRxPower(txPowerDbm, from, to);
    }

    int64_t DoAssignStreams(int64_t) override
    {
        return 0;
    }

    Ptr<PropagationLossModel> m_loss;
    Apart m_apart;
};

// Chances that a link is in sight and that it is hidden; else a vehicle stands in between.
struct Chances
{
    double inSight;
    double hidden;
};

double
Share(double value)
{
    return std::min(1.0, std::max(0.0, value));
}

Chances
Of(double inSight)
{
    return {inSight, 1 - inSight};
}

Chances
Office(double d)
{
    if (d <= 1.2)
    {
        return Of(1);
    }
    return Of(d < 6.5 ? std::exp(-(d - 1.2) / 4.7) : 0.32 * std::exp(-(d - 6.5) / 32.6));
}

// 18 m of certain sight, then less with the distance of the exponential.
double
Outdoors(double d, double fallM)
{
    const double near = std::min(18 / d, 1.0);
    return near + std::exp(-d / fallM) * (1 - near);
}

Chances
UrbanVehicles(double d)
{
    const double inSight = Share(0.8548 * std::exp(-0.0064 * d));
    const double behind = std::log(d) - 5.2718;
    const double vehicle = Share(std::exp(-behind * behind / 3.4827) / (0.0396 * d));
    return {inSight, 1 - inSight - vehicle};
}

Chances
HighwayVehicles(double d)
{
    return {Share(1.5e-6 * d * d - 0.0015 * d + 1), Share(-2.9e-7 * d * d + 0.00059 * d + 0.0017)};
}

using Rule = Chances (*)(double groundM);
const std::map<std::string, Rule> RULES{
    {"inh", Office},
    {"umi", [](double d) { return Of(Outdoors(d, 36)); }},
    {"uma", [](double d) { return Of(Outdoors(d, 63)); }},
    {"d2d", [](double d) { return Of(Outdoors(d, 36)); }},
    {"v2v_urban", UrbanVehicles},
    {"v2v_highway", HighwayVehicles},
};

class SightedModel : public LinkModel
{
  public:
    static TypeId GetTypeId()
    {
        static TypeId id =
            TypeId("cosim::SightedLoss")
                .SetParent<PropagationLossModel>()
                .AddAttribute("Loss",
                              "The loss in sight and without, if it is ns-3's.",
                              PointerValue(),
                              MakePointerAccessor(&SightedModel::m_loss),
                              MakePointerChecker<PropagationLossModel>());
        return id;
    }

    SightedModel(NodeContainer nodes,
                 Rule rule,
                 Ptr<PropagationLossModel> loss,
                 const Apart& apart,
                 double decorrelationM,
                 int64_t firstStream)
        : LinkModel(nodes),
          m_rule(rule),
          m_apart(apart),
          m_decorrelationM(decorrelationM),
          m_firstStream(firstStream),
          m_loss(loss)
    {
    }

    ChannelCondition::LosConditionValue SightOf(Ptr<MobilityModel> a, Ptr<MobilityModel> b) const
    {
        return Look(a, b).sight;
    }

  protected:
    struct Link
    {
        Ptr<UniformRandomVariable> uniform;
        double u;
        double untilM; // movement after which u is drawn anew
        Movement movement;
        ChannelCondition::LosConditionValue sight;
        std::optional<double> vehicleDb;
    };

    virtual double LossDb(Link& link, Ptr<MobilityModel> a, Ptr<MobilityModel> b) const = 0;

    // The distance at which chances are asked for.
    virtual double SightDistanceM(const Vector& a, const Vector& b) const
    {
        return std::hypot(a.x - b.x, a.y - b.y);
    }

    const Ptr<PropagationLossModel>& Within() const
    {
        return m_loss;
    }

  private:
    double DoCalcRxPower(double txPowerDbm,
                         Ptr<MobilityModel> a,
                         Ptr<MobilityModel> b) const override
    {
        Link& link = Look(a, b);
        const auto [from, to] = m_apart.Of(a, b);
        return txPowerDbm - LossDb(link, from, to);
    }

    Link& Look(Ptr<MobilityModel> a, Ptr<MobilityModel> b) const
    {
        uint32_t i = IndexOf(a);
        uint32_t j = IndexOf(b);
        if (i > j)
        {
            std::swap(i, j);
            std::swap(a, b);
        }
        const auto [found, isNew] = m_links.try_emplace(PairOf(i, j));
        Link& link = found->second;
        if (isNew)
        {
            link.uniform = StreamOf<UniformRandomVariable>(i, j, m_firstStream);
        }
        if (isNew || (m_decorrelationM > 0 && link.movement.MetresSince(a, b) >= link.untilM))
        {
            Draw(link, a, b);
        }
        const auto [from, to] = m_apart.Of(a, b);
        const auto chances = m_rule(SightDistanceM(from->GetPosition(), to->GetPosition()));
        link.sight = link.u < chances.inSight                    ? ChannelCondition::LOS
                     : link.u < chances.inSight + chances.hidden ? ChannelCondition::NLOS
                                                                 : ChannelCondition::NLOSv;
        return link;
    }

    void Draw(Link& link, const Ptr<MobilityModel>& a, const Ptr<MobilityModel>& b) const
    {
        link.u = link.uniform->GetValue();
        if (m_decorrelationM > 0)
        {
            link.untilM = -m_decorrelationM * std::log(1 - link.uniform->GetValue());
        }
        link.movement.Restart(a, b);
        link.vehicleDb.reset();
    }

    Rule m_rule;
    Apart m_apart;
    double m_decorrelationM;
    int64_t m_firstStream;
    Ptr<PropagationLossModel> m_loss;
    mutable std::unordered_map<uint64_t, Link> m_links;
};

// Says what it was told last.
class ToldCondition : public ChannelConditionModel
{
  public:
    Ptr<ChannelCondition> GetChannelCondition(Ptr<const MobilityModel>,
                                              Ptr<const MobilityModel>) const override
    {
        return m_condition;
    }

    int64_t AssignStreams(int64_t) override
    {
        return 0;
    }

    void Tell(ChannelCondition::LosConditionValue sight)
    {
        m_condition->SetLosCondition(sight);
    }

  private:
    Ptr<ChannelCondition> m_condition{CreateObject<ChannelCondition>(ChannelCondition::LOS)};
};

class ThreeGppModel : public SightedModel
{
  public:
    template <typename... Arguments>
    explicit ThreeGppModel(Arguments&&... arguments)
        : SightedModel(std::forward<Arguments>(arguments)...)
    {
        Within()->SetAttribute("ChannelConditionModel", PointerValue(m_condition));
    }

  private:
    double LossDb(Link& link, Ptr<MobilityModel> a, Ptr<MobilityModel> b) const override
    {
        if (link.sight != ChannelCondition::NLOSv)
        {
            return LossAtDb(link.sight, a, b);
        }
        const double inSightDb = LossAtDb(ChannelCondition::LOS, a, b);
        if (!link.vehicleDb)
        {
            link.vehicleDb = LossAtDb(ChannelCondition::NLOSv, a, b) - inSightDb;
        }
        return inSightDb + *link.vehicleDb;
    }

    double LossAtDb(ChannelCondition::LosConditionValue sight,
                    const Ptr<MobilityModel>& a,
                    const Ptr<MobilityModel>& b) const
    {
        m_condition->Tell(sight);
        return -Within()->CalcRxPower(0, a, b);
    }

    Ptr<ToldCondition> m_condition{CreateObject<ToldCondition>()};
};

class DeviceToDeviceModel : public SightedModel
{
  public:
    template <typename... Arguments>
    explicit DeviceToDeviceModel(double frequencyHz, Arguments&&... arguments)
        : SightedModel(std::forward<Arguments>(arguments)...),
          m_frequencyHz(frequencyHz)
    {
    }

  private:
    static constexpr double LIGHT_M_PER_S = 299792458.0;
    static constexpr double HEIGHT_M = 1.5;
    static constexpr double EFFECTIVE_HEIGHT_M = 0.8;
    static constexpr double NLOS_OFFSET_DB = -5;

    double SightDistanceM(const Vector& a, const Vector& b) const override
    {
        return CalculateDistance(a, b);
    }

    double LossDb(Link& link, Ptr<MobilityModel> a, Ptr<MobilityModel> b) const override
    {
        const double d = a->GetDistanceFrom(b);
        const double fGhz = m_frequencyHz / 1e9;
        const double h = EFFECTIVE_HEIGHT_M;
        const double freeSpaceDb = 20 * std::log10(4 * M_PI * d * m_frequencyHz / LIGHT_M_PER_S);
        double b1Db;
        if (link.sight != ChannelCondition::LOS)
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

    double m_frequencyHz;
};

// Streams of what ns-3's models draw themselves, clear of those of links.
constexpr int64_t MODEL_STREAMS = 1 << 22;
} // namespace

Ptr<PropagationLossModel>
Ns3Loss(const std::string& model, const std::vector<std::string>& attributes, int64_t firstStream)
{
    ObjectFactory factory(model);
    for (size_t i = 0; i + 1 < attributes.size(); i += 2)
    {
        factory.Set(attributes[i], StringValue(attributes[i + 1]));
    }
    auto loss = factory.Create<PropagationLossModel>();
    loss->AssignStreams(firstStream);
    return loss;
}

Ptr<PropagationLossModel>
HeldApart(Ptr<PropagationLossModel> loss, double leastM, bool onGround)
{
    return CreateObject<HeldApartModel>(loss, leastM, onGround);
}

Ptr<PropagationLossModel>
SightedLoss(NodeContainer nodes,
            const std::string& sight,
            const std::string& model,
            const std::vector<std::string>& attributes,
            double frequencyHz,
            double leastM,
            bool onGround,
            double decorrelationM,
            int64_t firstStream)
{
    const auto rule = RULES.at(sight);
    const Apart apart(leastM, onGround);
    if (model.empty())
    {
        return CreateObject<DeviceToDeviceModel>(frequencyHz,
                                                 nodes,
                                                 rule,
                                                 nullptr,
                                                 apart,
                                                 decorrelationM,
                                                 firstStream);
    }
    const auto loss = Ns3Loss(model, attributes, firstStream + MODEL_STREAMS);
    return CreateObject<ThreeGppModel>(nodes, rule, loss, apart, decorrelationM, firstStream);
}

bool
IsHidden(const Ptr<PropagationLossModel>& loss, Ptr<MobilityModel> a, Ptr<MobilityModel> b)
{
    const auto sighted = DynamicCast<SightedModel>(loss);
    return sighted && sighted->SightOf(a, b) == ChannelCondition::NLOS;
}

} // namespace cosim_native
