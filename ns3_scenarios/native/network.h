// What the session drives: devices with their radios, batteries and endpoints, and rounds.
//
// No class of ns-3 is complete here: what Python reads at each start is short, and the work is
// compiled once (network.cpp).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ns3/ipv4-address.h"
#include "ns3/net-device.h"
#include "ns3/node.h"

namespace cosim_native
{
using namespace ns3;

// Columns of numbers, one after the other, under their names, which are parted by spaces: what
// Python reads, it reads by name. Tables n x n are n rows of a transmitter each.
struct Integers
{
    std::string names;
    std::vector<int64_t> values;
};

struct Reals
{
    std::string names;
    std::vector<double> values;
};

// The channel that all radios share, and the range of PHY rates of their standard.
struct Band
{
    double widthHz;
    double noiseDbm;
    double slowestBps;
    double fastestBps;
};

// A battery at the start, and what drains and fills it.
struct Supply
{
    double initialJ;
    double capacityJ;
    double boardW; // drawn while the device lives
    Reals statePowerW;               // drawn in each state of the radio
    double revivalJ;                 // at which a dead device comes back; infinite: never
    // Harvested power, each from its second after the boot phase on; the first from 0.
    std::vector<double> harvestFromS;
    std::vector<double> harvestW;
};

// Airtime metric of a link in units of 10.24 us; see link_metric.h.
uint32_t AirtimeUnits(const Band& band, double snrDb, double lossShare);

// How messages travel: "arq", "tcp", "udp" or "broadcast"; see arq.h, streams.h and datagrams.h.
struct Transport
{
    std::string kind;
    uint32_t segmentBytes; // one chunk of a message
    double maxWindow;      // segments
    int peersAtOnce;       // arq
    double pacingBps;      // 0: spread over the round
    int tos;               // of IP, from which ns-3 takes the access category
};

class Network
{
  public:
    Network(int numDevices, const Transport& transport, const Band& band);
    ~Network();

    // Before devices are added: the mesh's metric counts the frames that its senders lose.
    void CountLossesInMetric();
    // Devices are added in order; `radio` is the IP device itself or the interface below it.
    // Audited: seconds per radio state are also kept from the PHY's own trace.
    void AddDevice(Ptr<NetDevice> ipDevice, Ptr<NetDevice> radio, const Supply& supply, bool audited);
    // A radio that passes frames on between devices (an access point).
    void AddRelay(Ptr<NetDevice> radio);
    // After all devices: addresses, address resolution, routing ("direct", "olsr", "aodv") and
    // endpoints.
    void Finish(const std::string& routing);
    // A living device sends one small datagram to a neighbour some time in the second half of the
    // boot phase, when the peerings stand.
    void Greet(int device, int neighbour, double bootS);
    void Boot(double bootS);
    // From now on counts the seconds in which two devices are this close, by a look every 0.1 s.
    void TrackContacts(double distanceM);

    // From now on a device's radio is asleep while the device computes; see radio_switch.h.
    void SleepWhileComputing();

    // From now on the device sends at this power, and its radio draws drawnW while it does.
    void SetTransmitPower(int device, double powerDbm, double drawnW);

    void BeginRound(uint32_t round, double periodS);
    // After BeginRound: a living device's radio sleeps for so long; see radio_switch.h.
    void Sleep(int device, double durationS);
    void Compute(int device, double energyJ, double durationS);
    void AddMessage(int src, int dst, int part, int64_t bytes, double readyS);
    // Runs on until the period is over or, with stopWhenSettled, until every message is settled
    // and all computing is done.
    void Run(double periodS, bool stopWhenSettled);

    double NowS() const;
    uint64_t NumEvents() const;
    // Of each message: handed_bytes, delivered_bytes, acked_bytes; finished_ns, when it was whole,
    // -1 if it was not; retransmissions; gave_up; unheard: its sender waited for an answer and
    // heard nothing of the receiver in this round.
    Integers Messages() const;
    // Of each chunk of each message, in their order: whether it has arrived.
    std::vector<int64_t> Chunks() const;
    // Tables n x n: sent_frames, received_frames, airtime_s, received_bytes, sinr_db_sum,
    // sinr_samples, rate_bps_sum, is_peer.
    Reals Links() const;
    // What the radios sent and received for; see causes.h. Tables n x n, for messages of a row
    // device to a column device: sender_tx_s, sender_rx_s, receiver_tx_s, receiver_rx_s, airtime_s.
    // Of messages to everybody the sender's part stands on the diagonal.
    Reals MessageCauses() const;
    // Of each device: overheard_rx_s, protocol_tx_s, protocol_rx_s, cut_off_rx_s.
    Reals DeviceCauses() const;
    // Of each device between the ends of a message: src, dst (-1: everybody), device, tx_s, rx_s.
    Reals Relayed() const;
    // n x n [dBm]: power of a row device's last frame at a column device, before receive gains, by
    // the losses of the channel without fading; of the weaker hop where an access point is between, as
    // far as known;
    // not a number where the row device sent nothing so far, or the channel is of another make.
    std::vector<double> LinkPowersDbm() const;
    // Of each device since the boot phase: seconds in each state of the radio, as "tx_s"; compute_j,
    // board_j, harvested_j, overflow_j, remaining_energy_j; died_at_s and revived_at_s, the last
    // time, below 0 if never.
    Reals Batteries() const;
    std::vector<int64_t> StaleDatagrams() const;
    // n x 3 [m], now.
    std::vector<double> Positions() const;
    // n x n, seconds of contact in the round; zeros if they are not tracked.
    std::vector<double> Contacts() const;
    // n x n: to whom a row device's mesh would now send a frame for a column device; -1 if it knows
    // no path or there is no mesh.
    std::vector<int64_t> NextHops() const;
    // Seconds in one WifiPhyState between two instants, from the PHY's own trace.
    double TracedSeconds(int device, int phyState, int64_t fromNs, int64_t toNs) const;

  private:
    struct Parts;
    std::unique_ptr<Parts> m;
};

} // namespace cosim_native
