// Nodes and how they move. Positions are n x 3 [m], by rows.
#pragma once
#include <cstdint>
#include <vector>

#include "ns3/node-container.h"

namespace cosim_native
{
using namespace ns3;

// A rectangle [m] in which nodes move, at their own heights.
struct Area
{
    double minX;
    double maxX;
    double minY;
    double maxY;
};

NodeContainer StaticNodes(const std::vector<double>& positionM);

// Random waypoint: straight to a point drawn uniformly in the area, at a speed drawn uniformly, then
// a pause.
NodeContainer WaypointNodes(const std::vector<double>& positionM,
                            const Area& area,
                            double minSpeedMps,
                            double maxSpeedMps,
                            double pauseS,
                            int64_t firstStream);

// Gauss-Markov (Camp, Boleng, Davies, 2002) with a step of 1 s: mean speed drawn uniformly per
// node, noise of a fifth of it; mean direction drawn uniformly; reflected at the edges.
NodeContainer GaussMarkovNodes(const std::vector<double>& positionM,
                               const Area& area,
                               double minSpeedMps,
                               double maxSpeedMps,
                               double memory,
                               int64_t firstStream);

// Nodes that are told beforehand: at timesS[k] of the simulation node[k] is put at atM (k x 3) and
// goes on with velocityMps (k x 3).
NodeContainer TraceNodes(const std::vector<double>& positionM,
                         const std::vector<uint32_t>& node,
                         const std::vector<double>& timesS,
                         const std::vector<double>& atM,
                         const std::vector<double>& velocityMps);

} // namespace cosim_native
