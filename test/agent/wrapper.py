"""Starts the agent beside it as a test needs it: with other limits, or with names that resolve as the test says.

The one argument is JSON: {"limits": {"IDLE_SECONDS": 1}, "names": {"live.test": ["127.0.0.1"], "dead.test": null}}. A name's
value is the answer to each look-up in turn (the last one stays; several addresses apart by spaces; "after:2 127.0.0.1" comes
two seconds late), or null: no answer for a long time. Look-ups are written to the file `lookups` in the state directory, one name a line.
"""

import json
import os
import socket
import sys
import time

import agent

plan = json.loads(sys.argv[1])
for name, value in plan["limits"].items():
    getattr(agent, name)
    setattr(agent, name, value)

real = socket.getaddrinfo
asked = {}


def resolve(host, port, *args):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in plan["names"]:
        return real(host, port, *args)
    with open(os.path.join(os.environ["STATE_DIRECTORY"], "lookups"), "a") as file:
        file.write(name + "\n")
    addresses = plan["names"][name]
    if addresses is None:
        time.sleep(12)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")
    asked[name] = asked.get(name, -1) + 1
    answer = addresses[min(asked[name], len(addresses) - 1)]
    if answer.startswith("after:"):
        time.sleep(float(answer.split()[0][6:]))
        answer = answer.partition(" ")[2]
    return [entry for address in answer.split() for entry in real(address, port, *args)]


socket.getaddrinfo = resolve
agent.main()
