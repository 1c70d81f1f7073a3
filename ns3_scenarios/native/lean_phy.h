// A radio of ns-3 that puts off what cannot be heard; see faint.h.
#pragma once
#include <memory>

#include "ns3/nstime.h"
#include "ns3/wifi-phy-listener.h"
#include "ns3/wifi-ppdu.h"
#include "ns3/yans-wifi-phy.h"

#include "faint.h"

namespace cosim_native
{
using namespace ns3;

class LeanPhy : public YansWifiPhy
{
  public:
    static TypeId GetTypeId();

    void StartTx(Ptr<const WifiPpdu> ppdu) override;

    // Takes up how it was configured; before the first arrival.
    void Begin();

    // Whether no preamble of this power is ever detected.
    bool IsFaint(double powerW) const;

    // What YansWifiChannel::Receive does with what is not below RxSensitivity.
    void Arrive(const Ptr<const WifiPpdu>& ppdu, Time duration, double powerW, bool isFaint);

  private:
    bool HasOneBandAndUser(const WifiPpdu& ppdu) const;
    bool IsReceiving(const WifiPpdu& ppdu) const;
    bool CanWait(const Ptr<const WifiPpdu>& ppdu, double powerW) const;
    void Replay();
    LateSums& Sums() const;
    void DoDispose() override;

    FaintArrivals m_faint;
    std::shared_ptr<WifiPhyListener> m_listener;
    bool m_capturesFrames{true};
    double m_faintBelowDbm{0};
    double m_busyFromW{0};
};

} // namespace cosim_native
