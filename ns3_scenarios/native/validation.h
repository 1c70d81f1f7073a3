// What `cosim validate` measures with: saturated senders, ns-3's own energy model, and the channel.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ns3/net-device.h"

namespace cosim_native
{
using namespace ns3;

// Senders whose MAC queues never run empty, straight above the MAC: no IP, no transport.
class Saturation
{
  public:
    // payloadBytes: what one frame carries, without LLC and MAC headers. Each frame's Ethertype is
    // one for local experiments.
    explicit Saturation(uint32_t payloadBytes);
    ~Saturation();

    // The one that sends and receives: the radio itself or what lies above it (a mesh point).
    void AddDevice(Ptr<NetDevice> device, Ptr<NetDevice> radio);
    void AddFlow(int src, int dst);
    // What is in the queues still goes.
    void EndFlows();
    void Run(double durationS);
    // Payload bytes that each device has received since the start, repetitions left out.
    std::vector<int64_t> ReceivedBytes() const;
    // How long the last frame with a payload was on the air, as the sending PHY has it.
    double FrameS() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> m;
};

// From now on a radio with a ConstantRateWifiManager sends its data at this rate.
void SetDataMode(Ptr<NetDevice> radio, const std::string& mode);

// ns-3's WifiRadioEnergyModel beside our own meter, on a source that never comes near empty.
class ReferenceMeter
{
  public:
    ReferenceMeter();
    ~ReferenceMeter();

    void AddDevice(Ptr<NetDevice> radio, double supplyVoltageV);
    // Joules that each radio has drawn since the start of the simulation.
    std::vector<double> EnergyJ() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> m;
};

// Power that the channel and both antennas leave of a transmission.
double ReceivedPowerDbm(Ptr<NetDevice> from, Ptr<NetDevice> to);

} // namespace cosim_native
