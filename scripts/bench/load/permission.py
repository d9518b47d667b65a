"""Prints how long the agent takes to decide that a public destination is allowed, in microseconds: {"new", "seen"} as JSON.

Arguments: the agent's file, and its configuration. `new` is the mean of addresses that it had not met, `seen` of one that it had.
"""

import importlib.util
import json
import sys
import tempfile
import time

spec = importlib.util.spec_from_file_location("agent", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["agent"] = module
spec.loader.exec_module(module)
with tempfile.TemporaryDirectory() as directory:
    agent = module.Agent(module.Store(directory, json.loads(sys.argv[2])), None, False)
# As while it runs: it then learns when the machine's addresses change, and may remember what it decided.
agent.watch = agent


def microseconds(addresses: list) -> float:
    began = time.perf_counter()
    allowed = sum(agent.permits(address) for address in addresses)
    seconds = time.perf_counter() - began
    if allowed != len(addresses):
        raise SystemExit("a public address was refused")
    return seconds / len(addresses) * 1e6


new = microseconds(["8.%d.%d.1" % (at >> 8, at & 255) for at in range(2000)])
print(json.dumps({"new": new, "seen": microseconds(["8.0.0.1"] * 5000)}))
