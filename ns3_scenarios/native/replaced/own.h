#pragma once

#include <cstring>
#include <dlfcn.h>

#include "ns3/abort.h"

namespace ns3
{

// ns-3's own member function by its symbol, as Itanium's C++ ABI has it: an address and no offset.
template <typename Method>
Method
Own(const char* symbol)
{
    constexpr const char* WIFI = "libns3.44-wifi.so";
    void* address = dlsym(dlopen(WIFI, RTLD_LAZY | RTLD_NOLOAD), symbol);
    NS_ABORT_MSG_UNLESS(address, "no " << symbol << " in " << WIFI);
    const void* representation[] = {address, nullptr};
    Method method;
    static_assert(sizeof(method) == sizeof(representation));
    std::memcpy(&method, representation, sizeof(method));
    return method;
}

} // namespace ns3
