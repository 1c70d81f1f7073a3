// Modes of every standard, and what they are asked for with and without the functions replaced.
#pragma once
#include <sstream>
#include "ns3/nstime.h"
#include "ns3/table-based-error-rate-model.h"
#include "ns3/wifi-phy.h"
#include "table_error_rate.h"

std::vector<std::pair<ns3::WifiMode, ns3::WifiPreamble>> Modes()
{
    std::vector<std::pair<ns3::WifiMode, ns3::WifiPreamble>> all;
    for (const auto* rate : {"1", "2", "5_5", "11"})
    {
        all.emplace_back(std::string("DsssRate") + rate + "Mbps", ns3::WIFI_PREAMBLE_LONG);
        all.emplace_back(std::string("DsssRate") + rate + "Mbps", ns3::WIFI_PREAMBLE_SHORT);
    }
    for (const auto* kind : {"OfdmRate", "ErpOfdmRate"})
    {
        for (const int rate : {6, 9, 12, 18, 24, 36, 48, 54})
        {
            all.emplace_back(kind + std::to_string(rate) + "Mbps", ns3::WIFI_PREAMBLE_LONG);
        }
    }
    const auto add = [&all](const std::string& kind, int count, ns3::WifiPreamble preamble) {
        for (int mcs = 0; mcs < count; ++mcs)
        {
            all.emplace_back(kind + std::to_string(mcs), preamble);
        }
    };
    add("HtMcs", 32, ns3::WIFI_PREAMBLE_HT_MF);
    add("VhtMcs", 9, ns3::WIFI_PREAMBLE_VHT_SU);
    add("HeMcs", 12, ns3::WIFI_PREAMBLE_HE_SU);
    add("EhtMcs", 14, ns3::WIFI_PREAMBLE_EHT_MU);
    return all;
}

ns3::WifiTxVector Vector(const std::pair<ns3::WifiMode, ns3::WifiPreamble>& of, double widthMhz)
{
    ns3::WifiTxVector vector;
    vector.SetMode(of.first);
    vector.SetPreambleType(of.second);
    vector.SetChannelWidth(widthMhz);
    vector.SetNss(1);
    vector.SetGuardInterval(ns3::NanoSeconds(800));
    if (ns3::IsEht(of.second))
    {
        vector.SetEhtPpduType(1); // to one station
    }
    return vector;
}

std::string Answers()
{
    std::ostringstream all;
    const auto modes = Modes();
    for (int repetition = 0; repetition < 2; ++repetition)
    {
        for (const auto& each : modes)
        {
            const auto isOfdm = each.first.GetModulationClass() > ns3::WIFI_MOD_CLASS_HR_DSSS;
            for (const double widthMhz : isOfdm ? std::vector<double>{20, 40} : std::vector<double>{22})
            {
                const auto vector = Vector(each, widthMhz);
                all << each.first << ' ' << each.first.GetDataRate(widthMhz) << ' '
                    << each.first.GetDataRate(vector) << ' '
                    << ns3::WifiPhy::CalculatePhyPreambleAndHeaderDuration(vector) << ' ';
            }
            for (const auto& other : modes)
            {
                all << each.first.IsHigherDataRate(other.first);
            }
            all << '\n';
        }
        // One mode by turns with other streams, guard intervals and preambles.
        for (const auto preamble : {ns3::WIFI_PREAMBLE_HE_SU, ns3::WIFI_PREAMBLE_HE_ER_SU})
        {
            for (const int streams : {1, 2, 3})
            {
                for (const int guardNs : {800, 3200, 1600})
                {
                    auto vector = Vector({ns3::WifiMode("HeMcs2"), preamble}, 20);
                    vector.SetNss(streams);
                    vector.SetGuardInterval(ns3::NanoSeconds(guardNs));
                    all << vector.GetMode().GetDataRate(vector) << ' '
                        << ns3::WifiPhy::CalculatePhyPreambleAndHeaderDuration(vector) << ' ';
                }
            }
        }
        for (const int64_t dividend : {0L, 1L, 2L, 8999L, 9000L, 123456789012345L, -7L})
        {
            for (const int64_t divisor : {1L, 3L, 9000L, 16000L, 1L << 40, -3L})
            {
                const auto quotient = ns3::NanoSeconds(dividend) / ns3::NanoSeconds(divisor);
                all << quotient.GetHigh() << '.' << quotient.GetLow() << ' ';
            }
        }
    }
    return all.str();
}

std::string Unequal()
{
    auto theirs = ns3::CreateObject<ns3::TableBasedErrorRateModel>();
    auto ours = ns3::CreateObject<cosim_native::TableErrorRate>();
    long asked = 0, uncertain = 0, unequal = 0;
    for (const auto& each : Modes())
    {
        for (const bool isLdpc : {false, true})
        {
            auto vector = Vector(each, 20);
            vector.SetLdpc(isLdpc);
            for (double snrDb = -12; snrDb < 50; snrDb += 0.037)
            {
                for (const uint64_t bits : {1, 192, 256, 3192, 3200, 11664, 90001})
                {
                    const double snr = ns3::DbToRatio(snrDb);
                    const double a = theirs->GetChunkSuccessRate(each.first, vector, snr, bits);
                    const double b = ours->GetChunkSuccessRate(each.first, vector, snr, bits);
                    ++asked;
                    unequal += a != b;
                    uncertain += a > 0 && a < 1;
                }
            }
        }
    }
    std::ostringstream all;
    all << asked << ' ' << uncertain << ' ' << unequal;
    return all.str();
}
