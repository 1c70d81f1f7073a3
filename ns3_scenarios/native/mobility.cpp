#include "mobility.h"

#include "ns3/box.h"
#include "ns3/constant-position-mobility-model.h"
#include "ns3/constant-velocity-mobility-model.h"
#include "ns3/double.h"
#include "ns3/gauss-markov-mobility-model.h"
#include "ns3/mobility-helper.h"
#include "ns3/mobility-model.h"
#include "ns3/nstime.h"
#include "ns3/pointer.h"
#include "ns3/position-allocator.h"
#include "ns3/random-variable-stream.h"
#include "ns3/random-waypoint-mobility-model.h"
#include "ns3/simulator.h"

#include <functional>

namespace cosim_native
{
using namespace ns3;

namespace
{
Vector
RowOf(const std::vector<double>& values, size_t i)
{
    return Vector(values[3 * i], values[3 * i + 1], values[3 * i + 2]);
}

Ptr<UniformRandomVariable>
Uniform(double min, double max)
{
    return CreateObjectWithAttributes<UniformRandomVariable>("Min",
                                                             DoubleValue(min),
                                                             "Max",
                                                             DoubleValue(max));
}

// Nodes with the model that is made for each position.
NodeContainer
NodesWith(const std::vector<double>& positionM,
          const std::function<Ptr<MobilityModel>(const Vector&)>& model)
{
    NodeContainer nodes;
    nodes.Create(positionM.size() / 3);
    for (uint32_t i = 0; i < nodes.GetN(); ++i)
    {
        const auto position = RowOf(positionM, i);
        auto mobility = model(position);
        mobility->SetPosition(position);
        nodes.Get(i)->AggregateObject(mobility);
    }
    return nodes;
}
} // namespace

NodeContainer
StaticNodes(const std::vector<double>& positionM)
{
    return NodesWith(positionM,
                     [](const Vector&) { return CreateObject<ConstantPositionMobilityModel>(); });
}

NodeContainer
WaypointNodes(const std::vector<double>& positionM,
              const Area& area,
              double minSpeedMps,
              double maxSpeedMps,
              double pauseS,
              int64_t firstStream)
{
    auto nodes = NodesWith(positionM, [&](const Vector& position) {
        auto goals = CreateObject<RandomRectanglePositionAllocator>();
        goals->SetX(Uniform(area.minX, area.maxX));
        goals->SetY(Uniform(area.minY, area.maxY));
        goals->SetZ(position.z);
        auto pause = CreateObject<ConstantRandomVariable>();
        pause->SetAttribute("Constant", DoubleValue(pauseS));
        return CreateObjectWithAttributes<RandomWaypointMobilityModel>(
            "Speed",
            PointerValue(Uniform(minSpeedMps, maxSpeedMps)),
            "Pause",
            PointerValue(pause),
            "PositionAllocator",
            PointerValue(goals));
    });
    MobilityHelper().AssignStreams(nodes, firstStream);
    return nodes;
}

NodeContainer
GaussMarkovNodes(const std::vector<double>& positionM,
                 const Area& area,
                 double minSpeedMps,
                 double maxSpeedMps,
                 double memory,
                 int64_t firstStream)
{
    const double noiseMps = (minSpeedMps + maxSpeedMps) / 2 / 5;
    auto nodes = NodesWith(positionM, [&](const Vector& position) {
        auto level = CreateObject<ConstantRandomVariable>();
        level->SetAttribute("Constant", DoubleValue(0));
        auto steady = CreateObjectWithAttributes<NormalRandomVariable>("Variance", DoubleValue(0));
        auto noise = CreateObjectWithAttributes<NormalRandomVariable>(
            "Variance",
            DoubleValue(noiseMps * noiseMps),
            "Bound",
            DoubleValue(3 * noiseMps));
        return CreateObjectWithAttributes<GaussMarkovMobilityModel>(
            "Bounds",
            BoxValue(Box(area.minX, area.maxX, area.minY, area.maxY, position.z, position.z)),
            "TimeStep",
            TimeValue(Seconds(1)),
            "Alpha",
            DoubleValue(memory),
            "MeanVelocity",
            PointerValue(Uniform(minSpeedMps, maxSpeedMps)),
            "MeanPitch",
            PointerValue(level),
            "NormalVelocity",
            PointerValue(noise),
            "NormalPitch",
            PointerValue(steady));
    });
    MobilityHelper().AssignStreams(nodes, firstStream);
    return nodes;
}

NodeContainer
TraceNodes(const std::vector<double>& positionM,
           const std::vector<uint32_t>& node,
           const std::vector<double>& timesS,
           const std::vector<double>& atM,
           const std::vector<double>& velocityMps)
{
    auto nodes = NodesWith(positionM, [](const Vector&) {
        return CreateObject<ConstantVelocityMobilityModel>();
    });
    for (size_t k = 0; k < node.size(); ++k)
    {
        auto model = nodes.Get(node[k])->GetObject<ConstantVelocityMobilityModel>();
        Simulator::Schedule(Seconds(timesS[k]),
                            [model, at = RowOf(atM, k), velocity = RowOf(velocityMps, k)] {
                                model->SetPosition(at);
                                model->SetVelocity(velocity);
                            });
    }
    return nodes;
}

} // namespace cosim_native
