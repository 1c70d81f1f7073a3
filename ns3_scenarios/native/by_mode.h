// What is known of each mode of ns-3, of which there are a hundred.
#pragma once

#include <cstdint>
#include <vector>

namespace cosim_native
{
template <typename Known>
class ByMode
{
  public:
    // A new one the first time.
    Known& At(uint32_t mode)
    {
        if (mode >= m_known.size())
        {
            m_known.resize(mode + 1);
        }
        return m_known[mode];
    }

  private:
    std::vector<Known> m_known;
};

} // namespace cosim_native
