"""ns-3 calls the functions that take the place of its own, and they give what its own give.

That they do for frames to one receiver is what test_air.py shows: its stock channel has ns-3's own.
"""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mesh import change, make_mesh, run_mesh

from cosim.config.sources import load
from cosim.config.to_scenario import make_scenario
from ns3_scenarios.installation import REPLACED_SUFFIX, native_build
from ns3_scenarios.reports import RoundReport

pytestmark = [pytest.mark.ns3, pytest.mark.timeout(300)]

MODES = Path(__file__).parents[1] / "support" / "modes.h"

REPLACED = {
    "InterferenceHelper3Add",
    "InterferenceHelper12CalculateSnr",
    "InterferenceHelper22CalculatePayloadSnrPer",
    "InterferenceHelper24CalculatePhyHeaderSnrPer",
    "OfdmPpdu13GetTxDuration",
    "PhyEntity37CalculatePhyPreambleAndHeaderDuration",
    "WifiMode11GetDataRateERKNS_12WifiTxVector",
    "WifiMode11GetDataRateEd",
    "WifiMode16IsHigherDataRate",
    "int64x64_t3Div",
}

# An access point and stations whose frames arrive with some 20 dB; with a scheduler it sends to
# several at once and they to it (802.11ax OFDMA), which ns-3 has on its spectrum channel only.
OFDMA = """
import cppyy
from ns3_scenarios.build.nodes import make_nodes

def build(ns, scenario):
    cppyy.include("ns3/multi-model-spectrum-channel.h")
    cppyy.include("ns3/rr-multi-user-scheduler.h")
    nodes = make_nodes(ns, scenario)
    channel = ns.CreateObject[ns.MultiModelSpectrumChannel]()
    channel.AddPropagationLossModel(ns.CreateObject[ns.FriisPropagationLossModel]())
    phy = ns.SpectrumWifiPhyHelper()
    phy.SetChannel(channel)
    phy.Set("TxPowerStart", ns.DoubleValue(4.0))
    phy.Set("TxPowerEnd", ns.DoubleValue(4.0))
    wifi = ns.WifiHelper()
    wifi.SetStandard(ns.WIFI_STANDARD_80211ax)
    rate = "DataMode", ns.StringValue("HeMcs5")
    wifi.SetRemoteStationManager("ns3::ConstantRateWifiManager", *rate)
    mac = ns.WifiMacHelper()
    mac.SetType("ns3::ApWifiMac")
    SCHEDULED
    devices = wifi.Install(phy, mac, nodes.Get(0))
    mac = ns.WifiMacHelper()
    mac.SetType("ns3::StaWifiMac")
    for i in range(1, scenario.num_devices):
        devices.Add(wifi.Install(phy, mac, nodes.Get(i)))
    ns.WifiHelper.AssignStreams(devices, 0)
    return [devices.Get(i) for i in range(scenario.num_devices)]
"""
UPLINK = '"EnableUlOfdma", ns.BooleanValue(True), "EnableBsrp", ns.BooleanValue(False)'
SCHEDULED = f'mac.SetMultiUserScheduler("ns3::RrMultiUserScheduler", {UPLINK})'


def play_file(file: Path, air: str) -> RoundReport:
    scenario = make_scenario(load(["--scenario", str(file), "--network.num_devices=4"], None, None))
    lean_or_stock = change(scenario, air=air)
    [report] = run_mesh(lean_or_stock, file.parent, 1, payload_bytes=8_000, period_s=1.0)
    assert report.flows.delivered_bytes.sum() > 0
    return report


def test_frames_to_and_from_several_stations_at_once_are_judged_by_ns3_itself(
    tmp_path: Path,
) -> None:
    several, one = tmp_path / "several.py", tmp_path / "one.py"
    several.write_text(OFDMA.replace("SCHEDULED", SCHEDULED))
    one.write_text(OFDMA.replace("SCHEDULED", ""))
    stock, lean = play_file(several, "stock"), play_file(several, "lean")
    assert pickle.dumps(lean) == pickle.dumps(stock)
    assert stock.num_events != play_file(one, "stock").num_events  # the scheduler was at work


def test_the_wifi_of_a_lean_network_calls_what_replaces_its_functions_and_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native_build(REPLACED_SUFFIX).exists():
        pytest.skip("python -m ns3_scenarios.precompile has built nothing")
    monkeypatch.setenv("LD_DEBUG", "bindings")
    called = {}
    for air in ("lean", "stock"):
        folder = tmp_path / air
        folder.mkdir()
        monkeypatch.setenv("LD_DEBUG_OUTPUT", str(folder / "bound"))
        scenario = make_mesh(2, name="adhoc80211", air=air)
        run_mesh(scenario, folder, 1, payload_bytes=5_000)
        bound = re.compile(
            r"binding file \S*libns3\S*-wifi\.so \[0\] to \S*"
            rf"{re.escape(REPLACED_SUFFIX)} \[0\]: normal symbol `_ZNK?3ns3\d\d?(\w+)"
        )
        lines = "".join(path.read_text() for path in folder.glob("bound.*"))
        called[air] = set(bound.findall(lines))
    assert {name for name in REPLACED if any(name in each for each in called["lean"])} == REPLACED
    assert called["stock"] == set()


def ask(question: str, is_replaced: bool) -> str:
    program = (
        f"from ns3_scenarios.session import load_ns3\nload_ns3(is_replaced={is_replaced})\n"
        f"import cppyy\ncppyy.include({str(MODES)!r})\nprint(cppyy.gbl.{question}())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return answer.stdout


def test_modes_have_the_rates_the_order_and_the_preambles_that_ns3_gives_them() -> None:
    own = ask("Answers", is_replaced=False)
    assert len(own.splitlines()) == 2 * 91 + 1
    assert ask("Answers", is_replaced=True) == own


def test_the_tables_of_the_lean_air_give_the_chances_of_ns3s_to_the_last_bit() -> None:
    asked, uncertain, unequal = map(int, ask("Unequal", is_replaced=False).split())
    assert unequal == 0
    assert uncertain > asked / 100
