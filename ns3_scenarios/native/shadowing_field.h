// Shadowing that links have in common, since they cross one field of obstacles.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ns3/node-container.h"
#include "ns3/propagation-loss-model.h"

namespace cosim_native
{
using namespace ns3;

// The field of description/shadowing.py: what is lost a root of a metre, at the points of a grid,
// row by row from the origin on; linear between them, and the same again beyond its edges.
struct Field
{
    Field(double originXM,
          double originYM,
          double stepM,
          int64_t rows,
          int64_t columns,
          const float* values);

    const double originXM, originYM, stepM;
    const int64_t rows, columns;
    std::shared_ptr<const std::vector<float>> values;
};

// A link between nodes that stay loses startDb (n x n); to other nodes, and where nodes move, what
// the field has between its ends. A link that pathLoss has out of sight loses hiddenFactor X.
Ptr<PropagationLossModel> FieldShadowing(NodeContainer nodes,
                                         const std::vector<double>& startDb,
                                         bool moves,
                                         const Field& field,
                                         Ptr<PropagationLossModel> pathLoss,
                                         double hiddenFactor);

} // namespace cosim_native
