// Files that users of ns-3 know: packet captures, flow statistics, animation, attributes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ns3/net-device.h"

namespace cosim_native
{
using namespace ns3;

// What to write, and where: a folder that is there.
struct RecordingOptions
{
    std::string folder;
    bool pcap;        // pcap/radio-<node>-<device>.pcap with radiotap headers, one per radio
    bool flowMonitor; // flow_monitor.xml, written at the end
    bool netanim;     // netanim.xml
};

// Owns what records; made when the network stands.
class Recordings
{
  public:
    Recordings(const RecordingOptions& options, const std::vector<Ptr<NetDevice>>& radios);
    ~Recordings();
    // The attributes that the objects were made with, as ns-3's ConfigStore writes them.
    void WriteAttributes() const;
    void Close();

  private:
    struct Parts;
    std::unique_ptr<Parts> m;
};

} // namespace cosim_native
