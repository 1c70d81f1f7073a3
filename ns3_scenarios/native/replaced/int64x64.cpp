// ns-3.44's quotient of two times, without a loop over the 64 digits of a whole divisor.
#include "ns3/int64x64.h"
#include "own.h"

namespace ns3
{

void
int64x64_t::Div(const int64x64_t& o)
{
    using Method = void (int64x64_t::*)(const int64x64_t&);
    static const auto own = Own<Method>("_ZN3ns310int64x64_t3DivERKS0_");
    const auto isWhole = [](int128_t value) {
        return value >= 0 && static_cast<uint64_t>(value) == 0;
    };
    const auto divisor = static_cast<uint64_t>(o._v >> 64);
    if (!isWhole(_v) || !isWhole(o._v) || divisor == 0)
    {
        (this->*own)(o);
        return;
    }
    const auto dividend = static_cast<uint64_t>(_v >> 64);
    const auto remainder = static_cast<uint128_t>(dividend % divisor) << 64;
    _v = (static_cast<uint128_t>(dividend / divisor) << 64) + remainder / divisor;
}

} // namespace ns3
