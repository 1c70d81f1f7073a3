// What models of loss that belong to pairs of nodes share.
#pragma once
#include <algorithm>
#include <cstdint>
#include <unordered_map>

#include "ns3/mobility-model.h"
#include "ns3/node-container.h"
#include "ns3/propagation-loss-model.h"

namespace cosim_native
{
using namespace ns3;

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

inline uint64_t
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

} // namespace cosim_native
