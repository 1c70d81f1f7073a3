// What Python does of a scenario, in C++: network_twin.py holds the two against each other.
//
// network_twin FILE: builds and boots the mesh80211 or adhoc80211 scenario of the file, then runs
// one round per line of standard input and answers each with
// "wall seconds, events, delivered bytes, nanoseconds on the simulated clock".
// The file: one "name value value ..." a line.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "ns3/config.h"
#include "ns3/mesh-helper.h"
#include "ns3/object-factory.h"
#include "ns3/rng-seed-manager.h"
#include "ns3/simulator.h"
#include "ns3/string.h"
#include "ns3/wifi-helper.h"
#include "ns3/wifi-mac-helper.h"

#include "channel.h"
#include "mesh.h"
#include "mobility.h"
#include "network.h"
#include "path_loss.h"

using namespace ns3;
using namespace cosim_native;

namespace
{
constexpr int64_t SHADOWING_STREAM = 1 << 21; // as in channel.py
const std::string RATE_MANAGER = "ns3::IdealWifiManager";

class Scenario
{
  public:
    explicit Scenario(const std::string& path)
    {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);)
        {
            std::istringstream words(line);
            std::string name;
            words >> name;
            for (std::string word; words >> word;)
            {
                m_values[name].push_back(word);
            }
        }
    }

    std::string Text(const std::string& name) const
    {
        return m_values.at(name).at(0);
    }

    // All words of a line, parted by blanks.
    std::string Words(const std::string& name) const
    {
        std::string words;
        for (const auto& word : m_values.at(name))
        {
            words += (words.empty() ? "" : " ") + word;
        }
        return words;
    }

    double Number(const std::string& name) const
    {
        return std::stod(Text(name));
    }

    std::vector<double> Numbers(const std::string& name) const
    {
        std::vector<double> numbers;
        for (const auto& word : m_values.at(name))
        {
            numbers.push_back(std::stod(word));
        }
        return numbers;
    }

    bool IsMesh() const
    {
        return Text("name") == "mesh80211";
    }

  private:
    std::map<std::string, std::vector<std::string>> m_values;
};

void
SetDefaults(const Scenario& scenario)
{
    const auto set = [&scenario](const std::string& attribute, const std::string& name) {
        Config::SetDefault("ns3::" + attribute, StringValue(scenario.Text(name)));
    };
    set("WifiRemoteStationManager::RtsCtsThreshold", "rts_threshold_bytes");
    set("ThresholdPreambleDetectionModel::MinimumRssi", "preamble_detection_dbm");
    set("WifiMac::BE_MaxAmsduSize", "max_amsdu_bytes");
    set("WifiMac::BE_MaxAmpduSize", "max_ampdu_bytes");
    if (scenario.IsMesh())
    {
        set("dot11s::PeerLink::MaxPacketFailure", "mesh_max_packet_failure");
        set("dot11s::PeerLink::MaxBeaconLoss", "mesh_max_beacon_loss");
        set("dot11s::PeerManagementProtocol::MaxNumberOfPeerLinks", "max_peer_links");
        Config::SetDefault("ns3::dot11s::HwmpProtocol::Dot11MeshHWMPactivePathTimeout",
                           StringValue(scenario.Text("mesh_path_lifetime_s") + "s"));
        Config::SetDefault("ns3::QosTxop::AddBaResponseTimeout", StringValue("100ms"));
    }
}

std::unique_ptr<WifiPhyHelper>
MakePhy(const Scenario& scenario, NodeContainer nodes)
{
    auto loss = Ns3Loss("ns3::LogDistancePropagationLossModel",
                        {"Exponent",
                         scenario.Text("path_loss_exponent"),
                         "ReferenceDistance",
                         "1",
                         "ReferenceLoss",
                         scenario.Text("reference_loss_db")},
                        scenario.Number("sight_stream"));
    loss->SetNext(
        Shadowing(nodes, scenario.Numbers("shadowing_db"), 0.0, 0.0, SHADOWING_STREAM, loss, 1.0));
    auto phy = PhyOn(loss, false);
    phy->Set("ChannelSettings", StringValue("{36, 20, BAND_5GHZ, 0}"));
    for (const auto& [attribute, name] : std::map<std::string, std::string>{
             {"TxPowerStart", "tx_power_dbm"},
             {"TxPowerEnd", "tx_power_dbm"},
             {"TxGain", "antenna_gain_dbi"},
             {"RxGain", "antenna_gain_dbi"},
             {"RxNoiseFigure", "noise_figure_db"},
             {"CcaEdThreshold", "cca_threshold_dbm"},
             {"RxSensitivity", "rx_sensitivity_dbm"},
         })
    {
        phy->Set(attribute, StringValue(scenario.Text(name)));
    }
    return phy;
}

struct Devices
{
    NetDeviceContainer ip;
    NetDeviceContainer radios;
};

Devices
Build(const Scenario& scenario)
{
    SetDefaults(scenario);
    auto nodes = StaticNodes(scenario.Numbers("position_m"));
    auto phy = MakePhy(scenario, nodes);
    if (scenario.IsMesh())
    {
        auto radios = MeshRadios(*phy, nodes, WIFI_STANDARD_80211ax, RATE_MANAGER);
        auto devices = MeshOver(radios, -1);
        MeshHelper mesh;
        mesh.AssignStreams(devices, 0);
        return {devices, radios};
    }
    WifiHelper wifi;
    wifi.SetStandard(WIFI_STANDARD_80211ax);
    wifi.SetRemoteStationManager(RATE_MANAGER);
    wifi.DisableFlowControl();
    WifiMacHelper mac;
    mac.SetType("ns3::AdhocWifiMac");
    auto radios = wifi.Install(*phy, mac, nodes);
    WifiHelper::AssignStreams(radios, 0);
    return {radios, radios};
}

std::unique_ptr<Network>
Attach(const Scenario& scenario, const Devices& devices)
{
    const auto band = scenario.Numbers("band");
    const Transport transport{"arq",
                              static_cast<uint32_t>(scenario.Number("segment_bytes")),
                              scenario.Number("max_window_segments"),
                              static_cast<int>(scenario.Number("peers_at_once")),
                              0.0,
                              0};
    auto network = std::make_unique<Network>(devices.ip.GetN(),
                                             transport,
                                             Band{band[0], band[1], band[2], band[3]});
    ObjectFactory map; // as ns-3 does; the network has taken another
    map.SetTypeId("ns3::MapScheduler");
    Simulator::SetScheduler(map);
    const double batteryJ = scenario.Number("battery_j");
    const Reals statePowerW{scenario.Words("radio_states"), scenario.Numbers("state_power_w")};
    for (uint32_t i = 0; i < devices.ip.GetN(); ++i)
    {
        network->AddDevice(devices.ip.Get(i),
                           devices.radios.Get(i),
                           Supply{batteryJ, batteryJ, 0.0, statePowerW, INFINITY, {0.0}, {0.0}},
                           false);
    }
    network->Finish("direct");
    const double bootS = scenario.Number("boot_s");
    const auto greetings = scenario.Numbers("greetings");
    for (size_t i = 0; i < greetings.size(); i += 2)
    {
        network->Greet(greetings[i], greetings[i + 1], bootS);
    }
    network->Boot(bootS);
    return network;
}

// Reads all that a session reports; returns the delivered bytes.
int64_t
ReadReports(const Network& network)
{
    const auto messages = network.Messages();
    std::istringstream names(messages.names);
    const std::vector<std::string> columns{std::istream_iterator<std::string>(names), {}};
    const size_t delivered = std::find(columns.begin(), columns.end(), "delivered_bytes") - columns.begin();
    const size_t rows = messages.values.size() / columns.size();
    const auto first = messages.values.begin() + delivered * rows;
    const int64_t deliveredBytes = std::accumulate(first, first + rows, int64_t{0});
    const auto links = network.Links();
    const auto batteries = network.Batteries();
    const auto stale = network.StaleDatagrams();
    const auto positions = network.Positions();
    const auto hops = network.NextHops();
    const auto chunks = network.Chunks();
    // No compiler may leave the reading out.
    static volatile double all;
    all = std::accumulate(links.values.begin(), links.values.end(), 0.0) + batteries.values.back() + stale.back() +
          positions.back() + hops.back() + chunks.back();
    return deliveredBytes;
}

int64_t
RunRound(const Scenario& scenario, Network& network, uint32_t round)
{
    network.BeginRound(round, scenario.Number("period_s"));
    const double computeS = scenario.Number("compute_s");
    const auto numDevices = static_cast<int>(scenario.Number("num_devices"));
    for (int device = 0; device < numDevices; ++device)
    {
        network.Compute(device, scenario.Number("compute_j"), computeS);
    }
    const auto messages = scenario.Numbers("messages"); // src, dst, bytes
    for (size_t i = 0; i < messages.size(); i += 3)
    {
        network.AddMessage(messages[i], messages[i + 1], 0, messages[i + 2], computeS);
    }
    network.Run(scenario.Number("period_s"), false);
    return ReadReports(network);
}
} // namespace

int
main(int, char* argv[])
{
    const Scenario scenario(argv[1]);
    RngSeedManager::SetSeed(scenario.Number("rng_seed"));
    RngSeedManager::SetRun(scenario.Number("rng_run"));
    const auto devices = Build(scenario);
    auto network = Attach(scenario, devices);
    uint64_t eventsBefore = network->NumEvents();
    uint32_t round = 0;
    for (std::string line; std::getline(std::cin, line); ++round)
    {
        const auto start = std::chrono::steady_clock::now();
        const auto deliveredBytes = RunRound(scenario, *network, round);
        const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
        std::cout << wall.count() << ' ' << network->NumEvents() - eventsBefore << ' '
                  << deliveredBytes << ' ' << Simulator::Now().GetNanoSeconds() << std::endl;
        eventsBefore = network->NumEvents();
    }
    Simulator::Destroy();
}
