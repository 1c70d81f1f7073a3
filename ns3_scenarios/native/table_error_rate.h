// ns-3.44's chance of a frame by its tables, with the same values from fewer steps: the curve of a
// mode is known after its first use (ns-3 finds it by comparing names), the tables are searched by
// halves, and powers of 0 and 1 are not worked out.
#pragma once

#include "ns3/table-based-error-rate-model.h"

#include <cstdint>

namespace cosim_native
{
using namespace ns3;

class TableErrorRate : public TableBasedErrorRateModel
{
  public:
    static TypeId GetTypeId();

  private:
    double DoGetChunkSuccessRate(WifiMode mode,
                                 const WifiTxVector& txVector,
                                 double snr,
                                 uint64_t nbits,
                                 uint8_t numRxAntennas,
                                 WifiPpduField field,
                                 uint16_t staId) const override;
    void NotifyConstructionCompleted() override;

    Ptr<ErrorRateModel> m_withoutCurve;
    uint64_t m_largeFromBytes{0};
};

} // namespace cosim_native
