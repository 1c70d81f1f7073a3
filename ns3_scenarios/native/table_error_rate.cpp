#include "table_error_rate.h"

#include "by_mode.h"

#include "ns3/error-rate-tables.h"
#include "ns3/pointer.h"
#include "ns3/uinteger.h"
#include "ns3/wifi-tx-vector.h"
#include "ns3/wifi-utils.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace cosim_native
{
using namespace ns3;

namespace
{
// Which of the curves, if any.
std::optional<uint8_t>
CurveOf(WifiMode mode)
{
    struct Known
    {
        bool isKnown{false};
        std::optional<uint8_t> curve;
    };

    static ByMode<Known> known;
    auto& found = known.At(mode.GetUid());
    if (!found.isKnown)
    {
        found = {true, TableBasedErrorRateModel::GetMcsForMode(mode)};
        if (found.curve && mode.GetModulationClass() == WIFI_MOD_CLASS_HT)
        {
            *found.curve %= 8; // what is above counts streams
        }
    }
    return found.curve;
}

// By a curve in order of SNR, straight between its points.
double
LossAt(dB_u snr, const std::vector<std::pair<dB_u, double>>& curve)
{
    const auto above =
        std::lower_bound(curve.begin(), curve.end(), snr, [](const auto& point, dB_u value) {
            return point.first < value;
        });
    if (above == curve.end())
    {
        return 0;
    }
    if (above->first == snr)
    {
        return above->second;
    }
    if (above == curve.begin())
    {
        return 1;
    }
    const auto below = std::prev(above);
    return below->second + (snr - below->first) * (above->second - below->second) /
                               (above->first - below->first);
}
} // namespace

TypeId
TableErrorRate::GetTypeId()
{
    static TypeId id = TypeId("cosim_native::TableErrorRate")
                           .SetParent<TableBasedErrorRateModel>()
                           .AddConstructor<TableErrorRate>();
    return id;
}

void
TableErrorRate::NotifyConstructionCompleted()
{
    TableBasedErrorRateModel::NotifyConstructionCompleted();
    PointerValue withoutCurve;
    UintegerValue largeFromBytes;
    GetAttribute("FallbackErrorRateModel", withoutCurve);
    GetAttribute("SizeThreshold", largeFromBytes);
    m_withoutCurve = withoutCurve.Get<ErrorRateModel>();
    m_largeFromBytes = largeFromBytes.Get();
}

double
TableErrorRate::DoGetChunkSuccessRate(WifiMode mode,
                                      const WifiTxVector& txVector,
                                      double snr,
                                      uint64_t nbits,
                                      uint8_t numRxAntennas,
                                      WifiPpduField field,
                                      uint16_t staId) const
{
    const bool isLdpc = txVector.IsLdpc();
    const auto curve = CurveOf(mode);
    if (!curve || *curve >= (isLdpc ? ERROR_TABLE_LDPC_MAX_NUM_MCS : ERROR_TABLE_BCC_MAX_NUM_MCS))
    {
        return m_withoutCurve->GetChunkSuccessRate(mode,
                                                   txVector,
                                                   snr,
                                                   nbits,
                                                   numRxAntennas,
                                                   field,
                                                   staId);
    }
    const auto sizeBytes = std::max<uint64_t>(1, nbits / 8);
    const bool isSmall = sizeBytes < m_largeFromBytes;
    const auto& curves = isLdpc    ? AwgnErrorTableLdpc1458
                         : isSmall ? AwgnErrorTableBcc32
                                   : AwgnErrorTableBcc1458;
    const auto ofBytes = isLdpc    ? ERROR_TABLE_LDPC_FRAME_SIZE
                         : isSmall ? ERROR_TABLE_BCC_SMALL_FRAME_SIZE
                                   : ERROR_TABLE_BCC_LARGE_FRAME_SIZE;
    const dB_u toHundredths{std::floor(RatioToDb(snr) * 100 + 0.5) / 100};
    double loss = LossAt(toHundredths, curves[*curve]);
    if (sizeBytes != ofBytes && loss != 0 && loss != 1)
    {
        loss = 1 - std::pow(1 - loss, static_cast<double>(sizeBytes) / ofBytes);
    }
    return loss < 1e-5 ? 1 : 1 - loss;
}

} // namespace cosim_native
