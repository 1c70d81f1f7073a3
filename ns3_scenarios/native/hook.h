// Callbacks of ns-3 around lambdas.
#pragma once
#ifdef __clang__
// The same sums on every processor: no fused multiply-add where one happens to have it.
#pragma clang fp contract(off)
#endif
#include <functional>
#include <type_traits>

#include "ns3/callback.h"

namespace cosim_native
{
using namespace ns3;

// A callback of ns-3 around any function. MakeCallback(...).Bind(...) gets there by way of so many
// templates that compiling them took a third of the start. Such callbacks cannot be compared.
template <typename R, typename... Args>
Callback<R, Args...>
Hook(std::type_identity_t<std::function<R(Args...)>> function)
{
    return Callback<R, Args...>(
        Create<CallbackImpl<R, Args...>>(function, CallbackComponentVector{}));
}

} // namespace cosim_native
