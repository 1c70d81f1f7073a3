#include "recordings.h"

#include "ns3/animation-interface.h"
#include "ns3/config-store.h"
#include "ns3/config.h"
#include "ns3/flow-monitor-helper.h"
#include "ns3/net-device-container.h"
#include "ns3/string.h"
#include "ns3/yans-wifi-helper.h"

namespace cosim_native
{
using namespace ns3;

struct Recordings::Parts
{
    RecordingOptions options;
    std::unique_ptr<FlowMonitorHelper> flows;
    std::unique_ptr<AnimationInterface> animation;
};

Recordings::Recordings(const RecordingOptions& options, const std::vector<Ptr<NetDevice>>& radios)
    : m(std::make_unique<Parts>())
{
    m->options = options;
    if (options.pcap)
    {
        NetDeviceContainer devices;
        for (const auto& radio : radios)
        {
            devices.Add(radio);
        }
        YansWifiPhyHelper helper;
        helper.SetPcapDataLinkType(WifiPhyHelper::DLT_IEEE802_11_RADIO);
        helper.EnablePcap(options.folder + "/pcap/radio", devices);
    }
    if (options.flowMonitor)
    {
        m->flows = std::make_unique<FlowMonitorHelper>();
        m->flows->InstallAll();
    }
    if (options.netanim)
    {
        m->animation = std::make_unique<AnimationInterface>(options.folder + "/netanim.xml");
        m->animation->SetMaxPktsPerTraceFile(UINT64_MAX);
    }
}

Recordings::~Recordings() = default;

void
Recordings::WriteAttributes() const
{
    // A store reads its own attributes when it is made.
    const std::string file = m->options.folder + "/ns3_attributes.txt";
    Config::SetDefault("ns3::ConfigStore::Filename", StringValue(file));
    Config::SetDefault("ns3::ConfigStore::Mode", StringValue("Save"));
    Config::SetDefault("ns3::ConfigStore::FileFormat", StringValue("RawText"));
    ConfigStore().ConfigureAttributes();
}

void
Recordings::Close()
{
    if (m->flows)
    {
        m->flows->SerializeToXmlFile(m->options.folder + "/flow_monitor.xml", true, true);
    }
    m->animation.reset();
}

} // namespace cosim_native
