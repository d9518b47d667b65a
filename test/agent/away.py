"""Runs the agent's own reporting by a clock that is driven, where a line breaks or is refused each time, and prints when it tried.

Arguments: agent.py, "broken" or "refused", and for how many hours.
"""

import importlib.util
import json
import sys
import time
import types

spec = importlib.util.spec_from_file_location("agent", sys.argv[1])
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
BEGINS = now = 1_000_000.0
ends = now + float(sys.argv[3]) * 3600
tries, calls = [], []


class Over(BaseException):
    pass


def sleep(seconds):
    global now
    now += seconds
    if now > ends:
        raise Over


time.monotonic, time.sleep = lambda: now, sleep
said = {"interval": 30, "url": "https://muster.test", "allow": [], "credentials": None, "drop": []}
settings = program.Settings(said, [])
store = types.SimpleNamespace(is_kept=True, kept=0, token="t", key="k", heard=said["url"], save=lambda settings: None)
agent = types.SimpleNamespace(settings=settings, store=store, sessions={}, requests=0, errors=0, bytes={}, boot="", counters=dict, active=list)
reporter = program.Reporter(agent)


def open_line(url):
    tries.append(now - BEGINS)
    if sys.argv[2] == "refused":
        raise ValueError
    return types.SimpleNamespace(sock=types.SimpleNamespace(close=lambda: None), send=lambda *_: None, receive=broken)


def broken():
    raise OSError("it ended")


def post(url, path, bearer, body):
    calls.append(path)
    return said


reporter.open, reporter.post = open_line, post
try:
    reporter.run()
except Over:
    print(json.dumps({"tries": tries, "heartbeats": calls.count("/v1.1/heartbeat"), "registered": calls.count("/v1.1/register")}))
