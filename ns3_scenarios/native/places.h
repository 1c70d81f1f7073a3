// Whom a device sends to at the same time: few destinations hold a place, the others wait.
#pragma once
#include <algorithm>
#include <cstddef>
#include <deque>
#include <set>

namespace cosim_native
{

class Places
{
  public:
    explicit Places(size_t most)
        : m_most(most)
    {
    }

    void Clear()
    {
        m_held.clear();
        m_waiting.clear();
    }

    bool Holds(int peer) const
    {
        return m_held.count(peer) > 0;
    }

    // At a position that the caller chooses, from 0, the first, to 1: where many offer at once, in
    // an order that is drawn, since a fixed one makes all devices send to the same few at first.
    void Wait(int peer, double position)
    {
        if (!Holds(peer) && std::find(m_waiting.begin(), m_waiting.end(), peer) == m_waiting.end())
        {
            const auto size = static_cast<double>(m_waiting.size());
            const auto at = static_cast<std::ptrdiff_t>(std::min(position * (size + 1), size));
            m_waiting.insert(m_waiting.begin() + at, peer);
        }
    }

    // The next destination to be served, which holds a place from now on; -1: none, or no place.
    int Next()
    {
        if (m_waiting.empty() || m_held.size() >= m_most)
        {
            return -1;
        }
        const int peer = m_waiting.front();
        m_waiting.pop_front();
        m_held.insert(peer);
        return peer;
    }

    // Nothing is left to send to it, or it does not answer.
    void Leave(int peer)
    {
        m_held.erase(peer);
        m_waiting.erase(std::remove(m_waiting.begin(), m_waiting.end(), peer), m_waiting.end());
    }

  private:
    size_t m_most;
    std::set<int> m_held;
    std::deque<int> m_waiting;
};

} // namespace cosim_native
