// All that Python calls: what the scenarios use of ns-3, and the native part.
#pragma once
// Only what is used: every header costs time at each start where none is precompiled.
#include "ns3/config.h"
#include "ns3/mesh-helper.h"
#include "ns3/mobility-model.h"
#include "ns3/node-container.h"
#include "ns3/rng-seed-manager.h"
#include "ns3/simulator.h"
#include "ns3/string.h"
#include "ns3/wifi-mac-helper.h"
#include "ns3/wifi-phy-state.h"

#include "air.h"
#include "channel.h"
#include "interference.h"
#include "link_budget.h"
#include "mesh.h"
#include "mobility.h"
#include "network.h"
#include "path_loss.h"
#include "recordings.h"
#include "shadowing_field.h"
#include "validation.h"
