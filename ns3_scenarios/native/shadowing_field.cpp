#include "shadowing_field.h"

#include "ns3/mobility-model.h"

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
int64_t
Wrapped(int64_t index, int64_t count)
{
    const int64_t rest = index % count;
    return rest < 0 ? rest + count : rest;
}

class FieldModel : public ShadowedLink
{
  public:
    FieldModel(NodeContainer nodes,
               std::vector<double> startDb,
               bool moves,
               const Field& field,
               Ptr<PropagationLossModel> pathLoss,
               double hiddenFactor)
        : ShadowedLink(nodes, std::move(startDb), pathLoss, hiddenFactor),
          m_moves(moves),
          m_field(field),
          m_renewM(std::min(MOST_RENEW_M, field.stepM / 2))
    {
    }

  private:
    // Smaller steps of the ends are put off: an integral per frame would cost more than it tells.
    static constexpr double MOST_RENEW_M = 0.1;
    static constexpr double SAMPLES_PER_POINT = 2;

    struct Link
    {
        double lossDb;
        Movement movement;
    };

    double LossInSightDb(Ptr<MobilityModel> a, Ptr<MobilityModel> b) const override
    {
        uint32_t i = IndexOf(a);
        uint32_t j = IndexOf(b);
        if (!m_moves && i < n && j < n)
        {
            return StartDb(i, j);
        }
        if (i > j)
        {
            std::swap(i, j);
            std::swap(a, b);
        }
        const auto [found, isNew] = m_links.try_emplace(PairOf(i, j));
        Link& link = found->second;
        if (isNew || link.movement.MetresSince(a, b) >= m_renewM)
        {
            link.lossDb = IntegralDb(a->GetPosition(), b->GetPosition());
            link.movement.Restart(a, b);
        }
        return link.lossDb;
    }

    // Over the root of the length: the mean along the link times that root.
    double IntegralDb(const Vector& from, const Vector& to) const
    {
        const double lengthM = std::hypot(to.x - from.x, to.y - from.y);
        const int64_t count = std::max(
            int64_t{1},
            static_cast<int64_t>(std::ceil(SAMPLES_PER_POINT * lengthM / m_field.stepM)));
        double sum = 0;
        for (int64_t k = 0; k < count; ++k)
        {
            const double along = (k + 0.5) / count;
            sum += At(from.x + along * (to.x - from.x), from.y + along * (to.y - from.y));
        }
        return sum / count * std::sqrt(lengthM);
    }

    double At(double xM, double yM) const
    {
        const double atX = (xM - m_field.originXM) / m_field.stepM;
        const double atY = (yM - m_field.originYM) / m_field.stepM;
        const double x = atX - std::floor(atX);
        const double y = atY - std::floor(atY);
        const int64_t left = Wrapped(static_cast<int64_t>(std::floor(atX)), m_field.columns);
        const int64_t right = left + 1 < m_field.columns ? left + 1 : 0;
        const int64_t low = Wrapped(static_cast<int64_t>(std::floor(atY)), m_field.rows);
        const int64_t high = low + 1 < m_field.rows ? low + 1 : 0;
        const float* below = m_field.values->data() + low * m_field.columns;
        const float* above = m_field.values->data() + high * m_field.columns;
        return (1 - y) * ((1 - x) * below[left] + x * below[right]) +
               y * ((1 - x) * above[left] + x * above[right]);
    }

    bool m_moves;
    Field m_field;
    double m_renewM;
    mutable std::unordered_map<uint64_t, Link> m_links;
};
} // namespace

Field::Field(double originXM,
             double originYM,
             double stepM,
             int64_t rows,
             int64_t columns,
             const float* values)
    : originXM(originXM),
      originYM(originYM),
      stepM(stepM),
      rows(rows),
      columns(columns),
      values(std::make_shared<std::vector<float>>(values, values + rows * columns))
{
}

Ptr<PropagationLossModel>
FieldShadowing(NodeContainer nodes,
               const std::vector<double>& startDb,
               bool moves,
               const Field& field,
               Ptr<PropagationLossModel> pathLoss,
               double hiddenFactor)
{
    return CreateObject<FieldModel>(nodes, startDb, moves, field, pathLoss, hiddenFactor);
}

} // namespace cosim_native
