"""Runs the agent's own reporting on a line by a clock that is driven, and prints how often it reports.

Arguments: agent.py, and JSON: hours; rise, rises (what the pool asks to be told of at once); counts: the numbers of connections that there are in
turn, each for a second; one number: nobody comes or goes; rates: requests in each second on those connections; deaf: no ping is answered.
"""

import importlib.util
import json
import sys
import time
import types

spec = importlib.util.spec_from_file_location("agent", sys.argv[1])
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
scenario = json.loads(sys.argv[2])

BEGINS = 1_000_000.0
now = BEGINS - 60
turn = 0
time.monotonic = lambda: now
reports, pinged = [], []


class Line:
    """Answers pings, and lets time pass."""

    answer = b""

    def send(self, data, code=1):
        if data == b"ping":
            pinged.append(now)
            self.answer = b"" if scenario["deaf"] else b"pong"
        else:
            reports.append((now, json.loads(data)))

    def receive(self):
        global now, turn
        now += program.LOOK_SECONDS
        if now > BEGINS + scenario["hours"] * 3600:
            raise OSError("the time is up")
        counts = scenario["counts"]
        count = counts[int(now - BEGINS) % len(counts)]
        # One comes or goes each second, and all of them are others.
        if len(counts) > 1 and int(now) != int(now - program.LOOK_SECONDS):
            agent.requests += 1
            turn += 1
            agent.sessions = {Client(turn * 7 + number): None for number in range(count)}
        agent.requests += scenario["rates"][int(now - BEGINS) % len(scenario["rates"])] * program.LOOK_SECONDS
        answer, self.answer = self.answer, b""
        return answer


class Client:
    def __init__(self, number):
        self.number = number

    def name(self):
        return "192.0.2.1:%d" % (1024 + self.number % 60_000)


said = {"interval": 30, "url": "https://muster.test", "allow": [], "credentials": None, "report": scenario["report"], **{name: scenario[name] for name in ("rise", "rises")}}
agent = types.SimpleNamespace(
    settings=program.Settings(said, []),
    store=types.SimpleNamespace(is_kept=True, kept=0),
    sessions={},
    requests=0,
    errors=0,
    opened=0,
    bytes={},
    boot="",
    counters=dict,
)
agent.active = lambda: list(agent.sessions)
reporter = program.Reporter(agent)
now = BEGINS
try:
    reporter.speak(Line())
except OSError as problem:
    assert str(problem) == ("no pong" if scenario["deaf"] else "the time is up"), problem
# From when its connections were so many until that was told, where there were fewer before.
most = max(scenario["counts"])
told = next((at for at, report in reports if report["active"] == most), None)
fast = next((at for at, report in reports if report["metrics"]["requests"] >= max(scenario["rates"])), None)
since = [None if at is None else at - BEGINS for at in (told, fast)]
print(json.dumps({"reports": len(reports), "toldAfter": since[0], "fastAfter": since[1], "pinged": [at - BEGINS for at in pinged], "endedAfter": now - BEGINS, "closest": min((b[0] - a[0] for a, b in zip(reports, reports[1:])), default=None)}))
