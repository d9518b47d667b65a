"""Muster's agent: a forward proxy (HTTP, CONNECT, SOCKS5) that reports to the pool that launched it.

One file, Python 3.8 or later, standard library only, Linux: it travels in a VM's user data (without its comments and doc
strings). It reads $CREDENTIALS_DIRECTORY/agent.json and keeps its key and what the pool told it in $STATE_DIRECTORY. What
agent and pool say to each other is written down in protocol.ts. Requests are never logged.

One thread serves all connections, by an event loop of its own (epoll, edge-triggered); look-ups and reports to the pool have
threads. From bottom to top: Settings and Store (what the pool wants), Loop, Resolver and Dial (destinations), Request and
Body (HTTP), Side with Client and Upstream (a session's two sockets), Agent, Reporter.

Two variables exist for the local cloud alone: MUSTER_BIND (the address to listen on and to connect from) and
MUSTER_ALLOW_LOOPBACK=1 (loopback addresses may be destinations).
"""

from __future__ import annotations

import base64
import collections
import errno
import fcntl
import gc
import hashlib
import heapq
import hmac
import ipaddress
import itertools
import json
import os
import queue
import random
import re
import resource
import secrets
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from http.client import HTTPConnection, responses

VERSION = "1.4.0"

HEAD_BYTES = 32 * 1024
# Of a request's head, and of all heads of an answer: many more take so long that others wait.
MAX_LINES = 1000
# From accept to a whole, authenticated request; and from the first byte to the last of a later request.
HEAD_SECONDS = 10
# How long a client may keep its connection without a request.
KEEP_SECONDS = 60
# How long its connection to the last origin waits for the next one; it is closed within twice that.
KEEP_ORIGIN_SECONDS = 10
IDLE_SECONDS = 300
# A client that has ended its side may be gone: how long it may get no byte. A tunnel's may still want a slow answer.
HALF_CLOSED_SECONDS = 5
HALF_CLOSED_TUNNEL_SECONDS = 50
# How long a client that was answered may be silent, and how long it may go on sending, before it is cut.
LINGER_SECONDS = 2
MOST_LINGERING = 80
LINGER_MOST_SECONDS = 30
# The same silence where the other side was cut: it is told as soon as it has what came before.
QUIET_SECONDS = 0.25
RESOLVE_SECONDS = 5
# How long names' addresses are good, and how long it is that they have none.
NAME_SECONDS = 10
NO_NAME_SECONDS = 3
CONNECT_SECONDS = 10
# Until the next address is tried beside the one that does not answer (RFC 8305).
NEXT_ADDRESS_SECONDS = 0.25
# Of a name's addresses, those that are tried.
MAX_ADDRESSES = 8
PROBE_SECONDS = 2
CALL_SECONDS = 10
OLD_CREDENTIALS_SECONDS = 600
# How long sessions may go on after SIGTERM.
STOP_SECONDS = 10
# Until the heartbeat that tells what came of an order.
PROMPT_SECONDS = 0.3
# A line: between pings, until one is answered, and when it is tried again after it broke, and where it was refused.
PING_SECONDS, PONG_SECONDS = 20, 10
LINE_AGAIN_SECONDS = 0.5, 30
LINE_REFUSED_SECONDS = 600
# Openings that fail in a row until heartbeats are sent instead.
MAX_UNOPENED = 3
# What has changed is told within the first, four times; while it goes on changing, as often as the second.
CHANGE_SECONDS, CHANGES_SECONDS = 1, 15
# What a rise that is told at once uses up: each time that four of these are, the next one has to be twice as high.
RISE_SECONDS = 60
# How often a line looks for what has changed.
LOOK_SECONDS = 0.25
RESOLVER_THREADS = 64
# Of them, those that one client may hold: its dead names must not stop the others' live ones.
RESOLVER_SHARE = 32
MAX_NAMES = 1024
MAX_VERDICTS = 4096
# Heads of requests that are not parsed again when they come again, and how long they may be.
MAX_HEADS, MAX_HEAD_BYTES = 256, 1024
# Connections without an authenticated request.
MAX_STRANGERS = 512
MAX_PROBES = 64
MAX_SESSIONS_REPORTED = 1000
MAX_INTERIM_ANSWERS = 10
# What a session takes of the machine's memory when all is full: mostly the kernel's buffers.
SESSION_BYTES = 64 * 1024
# What one read takes at most, and so what is held of one client that does not read: (held of all, up to so many bytes).
READS = ((0, 256 * 1024), (4 << 20, 16 * 1024), (12 << 20, 2048))
# A body in chunks is read in smaller pieces, and one in tiny chunks in such as keep the others waiting for about a millisecond.
CHUNKED_READ_BYTES, SMALL_READ_BYTES = 32 * 1024, 4096
# Who sends so much at once is spliced.
BULK_BYTES = 64 * 1024
# What is spliced before the others have their turn, also the size of a pipe, and how many of these there are.
TURN_BYTES = 1 << 20
# How long those have their turns that read on and on, before the loop looks at the others.
TURNS_SECONDS = 0.002
MAX_PIPES = 32

PROBE_HOST = "probe.muster"
# A global address to which a route shows that IPv6 works here; nothing is sent to it.
IPV6_ROUTE = "2000::1"
# What is not global unicast (IANA's special-purpose registries), and Azure's host. Spelled out: ipaddress.is_global differs
# between the versions of Python. Of IPv6 only 2000::/3 is global at all.
DENIED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
        " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
        " ::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
    ).split()
]

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
REQUEST_LINE = re.compile(b"(" + TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/1\.([01])")
STATUS_LINE = re.compile(rb"HTTP/1\.\d ([1-9]\d\d)(?: (.*))?", re.S)
FIELDS = re.compile(b"(?:" + TOKEN + b":" + VALUE + rb"\r\n)*")
NAME = re.compile(TOKEN)
HEAD_END = re.compile(rb"\n\r?\n")
# Obsolete folding: a line that goes on with the next one.
FOLD = re.compile(rb"\r?\n[ \t]+")
PATH = re.compile(rb"[/?#]")
LENGTH = re.compile(rb"\d{1,18}")
AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::(\d{1,5}))?")
EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb'(?:[ \t]*=[ \t]*(?:' + TOKEN + rb'|"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*"))?'
CHUNK_SIZE = re.compile(b"([0-9A-Fa-f]{1,15})(?:" + EXTENSION + rb")*\r\n")
# An origin's may have blanks at its end, and anything for extensions.
LOOSE_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;" + VALUE + rb")?\r\n")
# Whole chunks of up to 15 bytes, many at once.
TINY_CHUNKS = re.compile(b"(?:" + b"|".join(rb"%x\r\n[\x00-\xff]{%d}\r\n" % (size, size) for size in range(1, 16)) + b"){1,512}")
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# What may follow a user name: parameters that select a proxy, which is done by now.
PARAMETERS = re.compile(rb"(?:-(?:session|country|region|provider|instance|host|lifetime)-(?:[^-]|--)+)+")
HOP_BY_HOP = frozenset([b"connection", b"keep-alive", b"te", b"upgrade", b"content-length"])

# Edge-triggered: registered once, an event for each change.
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
HANG_UPS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
# `os.splice` came with Python 3.10.
SPLICE = getattr(os, "splice", None)
SIOCOUTQ, F_SETPIPE_SZ, IP_BIND_ADDRESS_NO_PORT = 0x5411, 1031, 24
NETLINK_ADDRESSES_AND_ROUTES = 0x10 | 0x100 | 0x400

logged = {}


def log(text: str, kind: str = "") -> None:
    """One line for the journal; never about a request, never with a secret. Of a kind one line an hour, for what may come often."""
    now = time.monotonic()
    if not kind or now > logged.get(kind, 0):
        logged[kind] = now + 3600
        print("muster-agent: " + text, file=sys.stderr, flush=True)


def trouble(problem: Exception) -> None:
    """Logs what should not happen: only its type, since its text may hold what a request did."""
    log("internal error: " + type(problem).__name__, type(problem).__name__)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Refused(Exception):
    """A request that gets an error: an HTTP status with a sentence, SOCKS's reply code, and RFC 9209's name for the same."""

    def __init__(self, status: int, text: str, reply: int = 1, error: str = "http_request_error") -> None:
        self.status, self.text, self.reply, self.error = status, text, reply, error


# --- What the pool wants ---


def spellings(pair: str) -> list:
    """Digests of user:password as clients encode it."""
    encodings = ["utf-8"] if any(ord(character) > 255 for character in pair) else ["utf-8", "latin-1"]
    return [hashlib.sha256(pair.encode(encoding)).digest() for encoding in encodings]


class Settings:
    """The pool's wish (Directives of protocol.ts). Replaced whole, so that both threads always see one consistent wish.

    `old`: [user:password, good until (Unix seconds)] of the credentials that a change replaced.
    """

    def __init__(self, said: dict, old: list) -> None:
        """Raises ValueError, TypeError, KeyError or AttributeError where the wish is malformed."""
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?", said["url"]):
            raise ValueError("url")
        self.said, self.old, self.url = said, old, said["url"].rstrip("/")
        self.interval = min(max(float(said["interval"]), 0.1), 86400)
        self.networks = [ipaddress.ip_network(text, strict=False) for text in said["allow"]]
        self.drain = said.get("drain") is True
        self.drain_at = time.monotonic() + said.get("grace", 2) if self.drain else float("inf")
        self.address = said.get("address")
        known = said["credentials"]
        self.version = known["version"] if known else 0
        self.pair = known and known["username"] + ":" + known["password"]
        pairs = [(self.pair, float("inf"))] if self.pair else []
        self.good = [(digest, until) for pair, until in pairs + old for digest in spellings(pair)]
        # What was found good, until when that need not be found again.
        self.proven = {}

    def changed(self, said: dict) -> Settings:
        """The settings after an answer of the pool."""
        known = said["credentials"]
        until = time.time() + (known or {}).get("former", OLD_CREDENTIALS_SECONDS)
        old = [[pair, min(end, until)] for pair, end in self.old if end > time.time()]
        if self.pair and (known is None or known != self.said["credentials"]):
            old.append([self.pair, until])
        after = Settings(said, old)
        if after.drain:
            after.drain_at = min(after.drain_at, self.drain_at)
        return after

    def accepts(self, given: bytes | None) -> bool:
        """Whether `user:password` is good, as it is, percent-encoded, or with parameters after the user name. How long it takes
        tells nothing of how much of it is right.
        """
        if not self.pair:
            return True
        if given is None:
            return False
        now, is_good = time.time(), False
        if self.proven.get(given, 0) > now:
            return True
        user, _, password = given.partition(b":")
        forms = [given]
        # Not of what no program sends: it would keep the others waiting.
        for at in [match.start() for match in re.finditer(b"-", user)][: 64 if len(given) < 2 * MAX_HEAD_BYTES else 0]:
            if PARAMETERS.fullmatch(user, at):
                forms.append(user[:at] + b":" + password)
        if b"%" in given:
            forms += [urllib.parse.unquote_to_bytes(form) for form in forms]
        for digest in [hashlib.sha256(form).digest() for form in forms]:
            for good, until in self.good:
                is_good |= hmac.compare_digest(digest, good) and until > now
        if is_good and len(given) < MAX_HEAD_BYTES:
            if len(self.proven) >= MAX_VERDICTS:
                self.proven.clear()
            self.proven[given] = now + 1
        return is_good

    def admits(self, address: str) -> bool:
        return not self.networks or any(ipaddress.ip_address(address) in network for network in self.networks)


class Store:
    """The state directory: the VM's key, and what the pool said last, so that a restart goes on where it stopped. Where nothing
    can be written, both are in memory only, which `is_kept` tells.
    """

    def __init__(self, directory: str, config: dict) -> None:
        self.directory, self.token = directory, config["token"]
        self.is_kept = True
        self.settings = Settings(config, [])
        # The URL that answered last, and the version of the newest credentials seen.
        self.heard, self.newest = self.settings.url, self.settings.version
        owner = self.token.rpartition(".")[0]
        self.key = self.read("key")
        # A state directory that came with an image is another VM's.
        if self.key.rpartition(".")[0] != owner:
            self.key = owner + "." + secrets.token_urlsafe(32)
            self.write("key", self.key)
        try:
            state = json.loads(self.read("state.json") or "{}")
            # Newer credentials in agent.json win, and so does another token.
            if state.get("token") == sha256(self.token) and state["newest"] >= self.newest:
                self.settings = Settings({**state["said"], "drain": False}, state["old"])
                self.heard, self.newest = state["heard"], state["newest"]
        except Exception as problem:
            log("saved state ignored: " + type(problem).__name__)
        # The version that a restart would begin with.
        self.kept = self.settings.version

    def read(self, name: str) -> str:
        try:
            with open(os.path.join(self.directory, name)) as file:
                return file.read()
        except OSError:
            return ""

    def write(self, name: str, text: str) -> None:
        """Replaces a file so that a crash leaves either the old one or the new one."""
        path = os.path.join(self.directory, name)
        try:
            descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.replace(path + ".new", path)
            self.is_kept = True
        except OSError as problem:
            self.is_kept = False
            log("state not saved: %s" % problem, "state")

    def save(self, settings: Settings) -> None:
        self.settings, self.newest = settings, max(self.newest, settings.version)
        state = {"token": sha256(self.token), "newest": self.newest, "heard": self.heard, "said": settings.said, "old": settings.old}
        for name, text in (("key", self.key), ("state.json", json.dumps(state))):
            if text != self.read(name):
                self.write(name, text)
                if not self.is_kept:
                    return
        self.is_kept, self.kept = True, settings.version


# --- The event loop ---


class Loop:
    """Events of sockets, timers, and calls from other threads, each on the one thread that runs it.

    A handler is an object with `event(mask, descriptor)`; a turn is one with `turn()`.
    """

    def __init__(self) -> None:
        self.epoll, self.now = select.epoll(), time.monotonic()
        self.handlers, self.turns, self.closing = {}, collections.deque(), []
        # Of [when, number, callback], the callback None where it was cancelled; the number keeps equal times apart.
        self.timers, self.numbers, self.cancelled = [], itertools.count(), 0
        self.calls = collections.deque()
        self.waker = socket.socketpair()
        for end in self.waker:
            end.setblocking(False)
        self.add(self.waker[0], self, select.EPOLLIN)

    def event(self, _mask: int, _descriptor: int) -> None:
        self.waker[0].recv(4096)

    def add(self, sock: socket.socket, handler, events: int = EVENTS) -> None:
        self.handlers[sock.fileno()] = handler
        self.epoll.register(sock.fileno(), events)

    def close(self, sock: socket.socket) -> None:
        """Closes a socket once this round's events are through: until then nothing else may have its number."""
        self.handlers.pop(sock.fileno(), None)
        self.closing.append(sock)

    def at(self, when: float, callback) -> list:
        timer = [when, next(self.numbers), callback]
        heapq.heappush(self.timers, timer)
        return timer

    def cancel(self, timer: list | None) -> None:
        if timer and timer[2]:
            timer[2] = None
            self.cancelled += 1
            if self.cancelled > 100 + len(self.timers) // 2:
                self.timers = [timer for timer in self.timers if timer[2]]
                heapq.heapify(self.timers)
                self.cancelled = 0

    def call(self, callback) -> None:
        """From any thread: runs it on the loop's."""
        self.calls.append(callback)
        try:
            self.waker[1].send(b"x")
        except BlockingIOError:
            # It wakes anyway.
            pass

    def run(self) -> None:
        while True:
            seconds = 0 if self.turns or self.calls else -1
            if seconds and self.timers:
                seconds = max(self.timers[0][0] - time.monotonic(), 0)
            events = self.epoll.poll(seconds, 128)
            now = self.now = time.monotonic()
            for descriptor, mask in events:
                handler = self.handlers.get(descriptor)
                if handler:
                    try:
                        handler.event(mask, descriptor)
                    except Exception as problem:
                        # One client's trouble is not the others'.
                        trouble(problem)
                        handler.reset()
            # Not all of those who have much to read, where that takes long: others' first bytes come between.
            for _ in range(len(self.turns)):
                side = self.turns.popleft()
                try:
                    side.turn()
                except Exception as problem:
                    trouble(problem)
                    side.reset()
                if time.monotonic() > now + TURNS_SECONDS:
                    break
            # Those that are made meanwhile come after the next events.
            for _ in range(len(self.calls)):
                self.guard(self.calls.popleft())
            while self.timers and self.timers[0][0] <= now:
                callback = heapq.heappop(self.timers)[2]
                if callback:
                    self.guard(callback)
                else:
                    self.cancelled -= 1
            for sock in self.closing:
                sock.close()
            self.closing.clear()

    def guard(self, callback) -> None:
        try:
            callback()
        except Exception as problem:
            trouble(problem)

    def reset(self) -> None:
        """Nothing: the loop's own wake-up has no socket to cut."""
        pass


# --- Destinations ---


def lookup(host: str, family: int = socket.AF_INET) -> list:
    """A name's addresses, in the resolver's order. Blocks."""
    found = socket.getaddrinfo(host.encode("ascii"), None, family, socket.SOCK_STREAM)
    return list(dict.fromkeys(entry[4][0] for entry in found))


class Resolver:
    """Looks names up on threads of its own, so that dead names hold up neither the loop nor the live ones.

    Each client has a share of the threads; what is beyond it waits. Each name is asked for once, whoever waits for it.
    """

    def __init__(self, loop: Loop, threads: int, share: int) -> None:
        self.loop, self.threads, self.share = loop, threads, share
        self.jobs, self.started, self.running = queue.SimpleQueue(), 0, 0
        # By name: (good until, addresses or Refused), and who waits; by client: look-ups under way, and names that wait.
        self.known, self.asked, self.busy, self.backlog, self.queued = {}, {}, {}, {}, set()

    def ask(self, host: str, family: int, client: str, dial: Dial) -> None:
        """Calls dial.resolved with addresses or Refused, at once where they are known."""
        known = self.known.get(host)
        if known and known[0] > self.loop.now:
            return dial.resolved(known[1])
        has_room = self.busy.get(client, 0) < self.share
        if host not in self.asked:
            if len(self.asked) >= 4 * MAX_NAMES or len(self.backlog.get(client, "")) >= MAX_NAMES:
                return dial.resolved(Refused(503, "Too many names are looked up.", 4, "dns_error"))
            self.asked[host] = []
            self.queued.add(host)
            if not has_room:
                self.backlog.setdefault(client, collections.deque()).append((host, family))
        self.asked[host].append(dial)
        if has_room and host in self.queued:
            self.start(host, family, client)

    def start(self, host: str, family: int, client: str) -> None:
        self.queued.discard(host)
        self.busy[client] = self.busy.get(client, 0) + 1
        self.running += 1
        if self.running > self.started < self.threads:
            self.started += 1
            threading.Thread(target=self.work, daemon=True).start()
        self.jobs.put((host, family, client))

    def work(self) -> None:
        while True:
            job = self.jobs.get()
            try:
                found = lookup(*job[:2])
            except Exception as problem:
                # Some resolvers tell it so; others say that the name does not exist.
                if isinstance(problem, socket.gaierror) and problem.errno == socket.EAI_NODATA:
                    found = Refused(403, "The name has no address that this proxy can reach.", 2, "destination_not_found")
                else:
                    found = Refused(502, "The name does not resolve.", 4, "dns_error")
            self.loop.call(lambda job=job, found=found: self.answered(*job, found))

    def answered(self, host: str, _family: int, client: str, found) -> None:
        self.running -= 1
        self.busy[client] -= 1
        if not self.busy[client]:
            del self.busy[client]
        if len(self.known) >= MAX_NAMES:
            del self.known[next(iter(self.known))]
        self.known[host] = (self.loop.now + (NO_NAME_SECONDS if isinstance(found, Refused) else NAME_SECONDS), found)
        for dial in self.asked.pop(host):
            dial.resolved(found)
        waiting = self.backlog.get(client)
        while waiting and self.busy.get(client, 0) < self.share:
            name, family = waiting.popleft()
            if name in self.queued and all(dial.is_over for dial in self.asked[name]):
                # Nobody waits for it any more.
                self.queued.discard(name)
                del self.asked[name]
            elif name in self.queued:
                self.start(name, family, client)
        if not waiting:
            self.backlog.pop(client, None)


UNREACHABLE = Refused(502, "The destination cannot be reached.", 4, "destination_ip_unroutable")


class Dial:
    """A connection on its way: the name's addresses, which of them are permitted, and the first of these that answers.

    Calls `reached(socket, mask of its first event)` or `failed(Refused)`, once, unless it is cancelled. It connects to the very
    addresses that were checked. With `is_own` it is the agent's own call: to wherever, by a resolver of its own.
    """

    def __init__(self, agent: Agent, host: str, port: int, client: str, reached, failed, is_own: bool = False) -> None:
        self.agent, self.loop, self.host, self.port, self.client = agent, agent.loop, host, port, client
        self.reached, self.failed, self.is_own, self.is_over = reached, failed, is_own, False
        self.addresses, self.socks, self.timer, self.next_timer = [], {}, None, None
        # What is told where nothing answers: of a name that is looked up first, `after` that.
        self.problem = self.after = UNREACHABLE

    def start(self) -> None:
        if not 0 < self.port < 65536 or (self.port == 25 and not self.is_own):
            return self.fail(Refused(403, "This port is not served.", 2, "destination_ip_prohibited"))
        agent, host = self.agent, self.host
        is_bracketed = host.startswith("[")
        try:
            address = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host[1:-1])) if is_bracketed else ""
            # In all the spellings that resolvers take.
            address = address or socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            if is_bracketed:
                return self.fail(Refused(400, "The IPv6 address is malformed."))
            seconds = PROBE_SECONDS if self.is_own else RESOLVE_SECONDS
            self.problem = Refused(504, "The name did not resolve in time.", 4, "dns_timeout")
            self.timer = self.loop.at(self.loop.now + seconds, self.give_up)
            resolver = agent.own_resolver if self.is_own else agent.resolver
            family = socket.AF_UNSPEC if agent.has_ipv6 and not self.is_own else socket.AF_INET
            return resolver.ask(host, family, self.client, self)
        if is_bracketed and not agent.has_ipv6:
            return self.fail(Refused(403, "This proxy has no IPv6: ask for an IPv4 address or a name.", 8, "destination_ip_unroutable"))
        self.resolved([address])

    def resolved(self, found) -> None:
        if self.is_over:
            return
        self.loop.cancel(self.timer)
        if isinstance(found, Refused):
            return self.fail(found)
        permitted = found if self.is_own else [address for address in found if self.agent.permits(address)]
        if not permitted:
            return self.fail(Refused(403, "This destination is not allowed.", 2, "destination_ip_prohibited"))
        if len(permitted) > 1:
            six, four = [address for address in permitted if ":" in address], [address for address in permitted if ":" not in address]
            permitted = [address for pair in itertools.zip_longest(six, four) for address in pair if address]
        self.addresses = permitted[:MAX_ADDRESSES]
        self.problem = self.after
        self.timer = self.loop.at(self.loop.now + (PROBE_SECONDS if self.is_own else CONNECT_SECONDS), self.give_up)
        self.next()

    def next(self) -> None:
        """Tries the next address, and the one after it soon, if this one is silent."""
        while self.addresses and not self.is_over:
            if self.socks and self.agent.room() <= 0:
                # A second descriptor is only for those that are left over.
                self.next_timer = self.loop.at(self.loop.now + NEXT_ADDRESS_SECONDS, self.next)
                return
            address = self.addresses.pop(0)
            is_six = ":" in address
            try:
                sock = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError:
                # No descriptor is left.
                return self.fail(Refused(503, "This proxy is full.", 1, "connection_limit_reached"))
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.agent.bind and not is_six:
                    # The port is chosen by the connection: else each that has just ended would take one from all destinations.
                    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                    sock.bind((self.agent.bind, 0))
                error = sock.connect_ex((address, self.port))
            except OSError as failed:
                error = failed.errno
            if error == errno.EINPROGRESS:
                self.agent.spares += len(self.socks) > 0
                self.socks[sock.fileno()] = sock
                self.loop.add(sock, self)
                if self.addresses:
                    self.next_timer = self.loop.at(self.loop.now + NEXT_ADDRESS_SECONDS, self.next)
                return
            if not error:
                self.loop.add(sock, self)
                return self.succeed(sock, 0)
            sock.close()
            self.note(error)
        if not self.socks and not self.is_over:
            self.fail(self.problem)

    def note(self, error: int) -> None:
        if error == errno.ECONNREFUSED:
            self.problem = Refused(502, "The destination refused the connection.", 5, "connection_refused")

    def event(self, mask: int, descriptor: int) -> None:
        sock = self.socks[descriptor]
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if mask & (select.EPOLLERR | select.EPOLLHUP) else 0
        if error or mask & select.EPOLLOUT:
            del self.socks[descriptor]
            self.agent.spares -= len(self.socks) > 0
            if not error:
                return self.succeed(sock, mask)
            self.loop.close(sock)
            self.note(error)
            self.loop.cancel(self.next_timer)
            self.next()

    def give_up(self) -> None:
        if self.socks:
            self.problem = Refused(504, "The destination did not answer in time.", 4, "connection_timeout")
        self.fail(self.problem)

    def succeed(self, sock: socket.socket, mask: int) -> None:
        self.cancel()
        self.reached(sock, mask)

    def fail(self, refused: Refused) -> None:
        self.cancel()
        self.failed(refused)

    def cancel(self) -> None:
        self.is_over = True
        self.loop.cancel(self.timer)
        self.loop.cancel(self.next_timer)
        self.agent.spares -= max(len(self.socks) - 1, 0)
        for sock in self.socks.values():
            self.loop.close(sock)
        self.socks = {}

    def reset(self) -> None:
        self.fail(Refused(502, "The destination cannot be reached.", 1, "proxy_internal_error"))


def is_own(address: str) -> bool:
    """Whether the address is one of this machine's: only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
            return True
        except OSError:
            return False


def host_and_port(url: str) -> tuple:
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


# --- HTTP ---


class Body:
    """Follows the framing of one message's body, to tell which bytes belong to it. `size` None: chunked.

    `is_loose` is an origin's: read as clients read it. A client's must leave no origin a doubt.
    """

    def __init__(self, size: int | None, is_loose: bool = False) -> None:
        self.left, self.done, self.chunked, self.is_loose = size or 0, size == 0, size is None, is_loose
        # What the next line of a chunked body is: a size, the end of a chunk, or a trailer.
        self.expect, self.line, self.is_tiny = "size", b"", False

    def take(self, data) -> int:
        """How many bytes at the start of `data` belong to the body. Raises ValueError where the framing is broken."""
        if not self.chunked:
            size = min(self.left, len(data))
            self.left -= size
            self.done = not self.left
            return size
        data = bytes(data)
        at, lines = 0, 0
        while at < len(data) and not self.done:
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                at += step
                continue
            run = TINY_CHUNKS.match(data, at) if self.expect == "size" and not self.line else None
            if run:
                at = run.end()
                continue
            end = data.find(b"\n", at, at + 4096) + 1 or min(at + 4096, len(data))
            self.line += data[at:end]
            at = end
            lines += 1
            if len(self.line) > 4096:
                raise ValueError("line too long")
            if self.line.endswith(b"\n"):
                self.end_line(self.line)
                self.line = b""
        self.is_tiny = lines > 32
        return at

    def end_line(self, line: bytes) -> None:
        size = (LOOSE_CHUNK_SIZE if self.is_loose else CHUNK_SIZE).fullmatch(line)
        if self.expect == "size" and size:
            self.left = int(size.group(1), 16)
            self.expect = "end" if self.left else "trailer"
        elif self.expect == "end" and line == b"\r\n":
            self.expect = "size"
        elif self.expect == "trailer" and line == b"\r\n":
            self.done = True
        elif self.expect == "trailer" and FIELDS.fullmatch(line):
            name = line.partition(b":")[0].lower()
            if name in HOP_BY_HOP or name in (b"transfer-encoding", b"host") or name.startswith(b"proxy-"):
                raise ValueError("bad trailer")
        else:
            raise ValueError("bad chunk")

    def missing(self) -> bytes | None:
        """What an origin forgot that ends after its last chunk; None where it ended too early."""
        return b"\r\n"[len(self.line) :] if self.expect == "trailer" and self.line in (b"", b"\r") else None


def answer(status: int, kind: str, text: str, error: str = "", keeps: bool = False) -> bytes:
    lines = ["HTTP/1.1 %d %s" % (status, responses[status]), "Content-Type: " + kind, "Content-Length: %d" % len(text)]
    if error:
        lines.append("Proxy-Status: muster; error=" + error)
    if status == 407:
        lines.append('Proxy-Authenticate: Basic realm="muster"')
    if not keeps:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


def strict_fields(lines: list) -> list:
    """(lower-case name, value, line) of a request's header lines. Raises ValueError where one is malformed."""
    if not FIELDS.fullmatch(b"".join(line + b"\r\n" for line in lines)):
        raise ValueError("a header line")
    parts = [line.partition(b":") for line in lines]
    return [(name.lower(), value.strip(), line) for (name, _, value), line in zip(parts, lines)]


def cleaned_fields(lines: list) -> list:
    """The same of an answer's: what clients overlook is mended or left out, so that all of them read it in one way."""
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        name, value = name.rstrip(b" \t"), CONTROLS.sub(b" ", value).strip()
        if colon and NAME.fullmatch(name):
            fields.append((name.lower(), value, name + b": " + value))
    return fields


def forwarded(fields: list, is_request: bool) -> tuple:
    """(lines to pass on, options of Connection, body that they announce or None). In a request every doubt about the length is
    an error: proxy and origin would disagree on where it ends.
    """
    options = {option.strip().lower() for name, value, _ in fields if name == b"connection" for option in value.split(b",")}
    codings = [value.lower() for name, value, _ in fields if name == b"transfer-encoding"]
    lengths = {value for name, value, _ in fields if name == b"content-length"}
    if is_request:
        if codings and (lengths or codings != [b"chunked"]):
            raise ValueError("Transfer-Encoding must be chunked, without Content-Length")
    else:
        codings = [coding.strip() for value in codings for coding in value.split(b",")]
        lengths = {length.strip() for value in lengths for length in value.split(b",")}
        if b"chunked" in codings[:-1]:
            raise ValueError("Transfer-Encoding")
    if not codings and (len(lengths) > 1 or any(not LENGTH.fullmatch(length) for length in lengths)):
        raise ValueError("Content-Length")
    # A Connection header must not change where the message ends.
    named = HOP_BY_HOP.union(options - {b"transfer-encoding"})
    lines = [line for name, _, line in fields if name not in named and not name.startswith(b"proxy-") and not (is_request and name == b"host")]
    if codings:
        if lengths:
            # Nothing may follow such an answer (RFC 9112 6.3).
            options.add(b"close")
        return lines, options, Body(None, not is_request) if codings[-1] == b"chunked" else None
    if not lengths:
        return lines, options, None
    length = int(lengths.pop())
    return lines + [b"Content-Length: %d" % length], options, Body(length)


class Request:
    """One HTTP request to a proxy. `head` is what goes to the origin (empty for CONNECT), `given` is user:password."""

    def __init__(self, head: bytes) -> None:
        """Raises Refused."""
        if head.endswith(b"\r\n\r\n"):
            first, *lines = head[:-4].split(b"\r\n")
        elif b"\r" not in head:
            first, *lines = head[:-2].split(b"\n")
        else:
            raise Refused(400, "The request line is malformed.")
        line = REQUEST_LINE.fullmatch(first)
        if not line:
            raise Refused(400, "The request line is malformed.")
        self.method, target, minor = line.groups()
        is_connect = self.method == b"CONNECT"
        scheme, mark, rest = (b"http", b"", target) if is_connect else target.partition(b"://")
        scheme = scheme.lower()
        if not mark and not is_connect:
            raise Refused(400, "This is a proxy: ask for a whole URL, or use CONNECT.")
        if scheme in (b"https", b"wss"):
            raise Refused(400, "For %s:// use CONNECT host:port." % scheme.decode())
        authority = whole = PATH.split(rest, 1)[0]
        if not is_connect:
            # Credentials for the origin, which many clients leave in, and which are nobody's business.
            authority = whole.rpartition(b"@")[2]
        match = AUTHORITY.fullmatch(authority)
        if scheme not in (b"http", b"ws") or not match or (is_connect and (whole != rest or not match.group(2))):
            raise Refused(400, "Ask for http://host[:port]/path, or CONNECT host:port.")
        self.host, self.port = match.group(1).decode().lower(), int(match.group(2) or 80)
        try:
            fields = strict_fields(lines)
            passed, options, body = forwarded(fields, True)
        except ValueError as problem:
            raise Refused(400, "The request is malformed: %s." % problem)
        if body and body.chunked and minor == b"0":
            raise Refused(400, "HTTP/1.0 has no transfer codings.")
        self.body, self.head, self.path, self.given, self.upgrade, self.is_light = body or Body(0), b"", b"", None, b"", False
        # After a 407 to a CONNECT libsoup would ask for the proxy itself on a connection that is kept.
        self.keeps = minor == b"1" and b"close" not in options and not is_connect
        given, upgrades = set(), set()
        for name, value, _ in fields:
            if name == b"proxy-authorization":
                given.add(value)
            elif name == b"proxy-connection" and value.lower() == b"close":
                self.keeps = False
            elif name == b"upgrade":
                upgrades.add(value)
        if len(given) == 1:
            kind, _, value = given.pop().partition(b" ")
            try:
                self.given = base64.b64decode(value.strip(), validate=True) if kind.lower() == b"basic" else None
            except ValueError:
                # As good as none.
                pass
        if is_connect:
            return
        path = rest[len(whole) :].partition(b"#")[0]
        if not path.startswith(b"/"):
            path = b"*" if self.method == b"OPTIONS" and not path else b"/" + path
        # A second one may follow it: where it ends is beyond doubt, and who authenticates may do so for the whole connection (NTLM).
        self.is_light = self.keeps and body is None and self.method == b"GET" and all(name != b"authorization" for name, _, _ in fields)
        # HTTP/2 without TLS is between neighbours.
        if len(upgrades) == 1 and b"upgrade" in options and self.body.done and minor == b"1" and b"h2c" not in upgrades:
            self.upgrade = upgrades.pop()
            passed += [b"Upgrade: " + self.upgrade, b"Connection: upgrade"]
            self.is_light = False
        elif not self.is_light:
            passed.append(b"Connection: close")
        self.path = path
        start = self.method + b" " + path + b" HTTP/1." + minor
        self.head = b"\r\n".join([start, b"Host: " + authority, *passed, b"", b""])


# --- Sockets ---

# What a side does: reads a request, waits for its destination, passes bytes on, or is through and throws away what still comes.
HEAD, WAIT, PASS, LINGER, CLOSED = range(5)


class Pipes:
    """Pipes of a megabyte to splice through: with those of 64 KB it costs twice the time. An ordinary user has room for 64 of that
    size, so a side has one only while it holds bytes, and reads into the buffer when none is left.
    """

    def __init__(self) -> None:
        self.free, self.count = [], 0

    def take(self) -> tuple | None:
        if self.free:
            return self.free.pop()
        if self.count >= MAX_PIPES:
            return None
        self.count += 1
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(pipe[1], F_SETPIPE_SZ, TURN_BYTES)
        except OSError:
            # A small one does too.
            pass
        return pipe

    def give(self, pipe: tuple, is_empty: bool) -> None:
        if is_empty:
            return self.free.append(pipe)
        self.count -= 1
        for end in pipe:
            os.close(end)


class Side:
    """One of the two sockets of a session. All read into one shared buffer, so that an idle one holds no memory.

    `readable`: there may be something to read; `hung`: the end comes after it. `out`: what the socket did not take yet, `held`:
    how many bytes of it a pipe holds for the peer; meanwhile the one from whom it came is not read. `ended`: nothing comes any
    more. `deaf`: nothing can be sent any more; what is for it is thrown away, so that its peer gets on. `cut`: the connection
    was reset, which the kernel tells only once.
    """

    __slots__ = ("agent", "loop", "sock", "peer", "state", "seen", "timer", "body", "out", "readable", "hung", "is_due", "ended")
    __slots__ += ("deaf", "cut", "is_shutting", "is_cutting", "ends", "is_bulk", "pipe", "held")

    def __init__(self, agent: Agent, sock: socket.socket, state: int) -> None:
        self.agent, self.loop, self.sock, self.peer, self.state = agent, agent.loop, sock, None, state
        self.seen, self.timer, self.body, self.out = agent.loop.now, None, None, b""
        self.readable = self.hung = self.is_due = self.ended = self.deaf = self.cut = self.is_shutting = self.is_bulk = False
        self.pipe, self.held = None, 0

    def event(self, mask: int, _descriptor: int) -> None:
        if mask & select.EPOLLOUT and (self.out or (self.peer and self.peer.held)):
            self.flush()
        if mask & ~select.EPOLLOUT:
            self.readable = True
            if mask & HANG_UPS:
                self.hung = True
                self.hung_up(mask)
            if not self.is_due:
                self.read()

    def hung_up(self, mask: int) -> None:
        """The other end has ended its side, or all."""
        pass

    # Reading.

    def wants(self) -> bool:
        """Whether there is a use for what comes."""
        return self.state == LINGER or (self.state == PASS and not self.held and not self.peer.out)

    def take_turn(self) -> None:
        """Reads on once the others had their turn."""
        if not self.is_due:
            self.is_due = True
            self.loop.turns.append(self)

    def turn(self) -> None:
        self.is_due = False
        self.read()

    def read(self) -> None:
        """Reads once, so that nobody keeps the others waiting."""
        if not self.readable or not self.wants():
            return
        if self.is_bulk and self.state == PASS and self.splice():
            return
        size, body = self.agent.read_bytes, self.body
        if self.state == HEAD:
            # What comes after the head waits for its turn, and is held meanwhile.
            size = min(size, HEAD_BYTES)
        elif body and body.chunked:
            size = min(size, SMALL_READ_BYTES if body.is_tiny else CHUNKED_READ_BYTES)
        elif body and type(self) is Client:
            size = min(size, body.left)
        try:
            count = self.sock.recv_into(self.agent.buffer, size)
        except BlockingIOError:
            self.readable = False
            return
        except OSError:
            return self.lose()
        if not count:
            self.readable, self.ended = False, True
            return self.over()
        self.seen = self.loop.now
        # Less than there was room for is all there was, unless the end waits behind it.
        self.readable, self.is_bulk = self.hung or count == size, count >= BULK_BYTES and SPLICE is not None
        if self.state != LINGER:
            self.received(self.agent.view[:count])
        if self.readable:
            self.take_turn()

    def received(self, data: memoryview) -> None:
        raise NotImplementedError

    def splice(self) -> bool:
        """Passes bytes on inside the kernel, as far as it goes. False where that is not possible now."""
        peer, body = self.peer, self.body
        if not self.pipe:
            if peer.deaf or (body and body.chunked):
                return False
            self.pipe = self.agent.pipes.take()
            if not self.pipe:
                return False
        source, sink = self.pipe
        moved = 0
        while True:
            size = TURN_BYTES if body is None else min(TURN_BYTES, body.left)
            if moved < TURN_BYTES and size and not self.ended:
                try:
                    count = SPLICE(self.sock.fileno(), sink, size, flags=os.SPLICE_F_NONBLOCK)
                    self.ended = not count
                    self.held += count
                    moved += count
                    if body:
                        body.take(range(count))
                except BlockingIOError:
                    # A full pipe or an empty socket: only an empty pipe tells which.
                    self.readable = bool(self.held)
                except OSError:
                    self.cut = self.ended = self.deaf = True
            if not self.held:
                break
            try:
                self.held -= SPLICE(source, peer.sock.fileno(), self.held, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                break
            except OSError:
                self.agent.pipes.give(self.pipe, False)
                self.pipe, self.held = None, 0
                peer.fail()
                break
        self.agent.bytes[type(self)] += moved
        self.seen = self.loop.now
        if self.held or self.state != PASS:
            return True
        if self.pipe:
            self.agent.pipes.give(self.pipe, True)
            self.pipe = None
        self.is_bulk = moved >= BULK_BYTES // 4
        if self.ended:
            self.readable = False
            self.over()
        elif body and body.done:
            self.body_done()
        elif self.readable:
            self.take_turn()
        return True

    def body_done(self) -> None:
        """The last byte of the body was spliced."""
        pass

    # Writing.

    def send(self, data) -> None:
        """Writes what the kernel takes and keeps a copy of the rest."""
        if self.deaf or self.is_shutting or not data:
            return
        if self.out:
            return self.keep(self.out + data)
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.fail()
        if sent < len(data):
            self.keep(bytes(data[sent:]))

    def keep(self, data: bytes) -> None:
        self.agent.hold(len(data) - len(self.out))
        self.out = data

    def flush(self) -> None:
        """There is room for what waits to be sent."""
        if self.out:
            try:
                sent = self.sock.send(self.out)
            except BlockingIOError:
                return
            except OSError:
                return self.fail()
            self.seen = self.loop.now
            self.keep(self.out[sent:])
            if self.out:
                return
            if self.is_shutting:
                self.shut()
        if self.peer and self.peer.held:
            self.peer.splice()
        elif self.peer:
            self.peer.read()
        self.drained()

    def drained(self) -> None:
        if self.state == LINGER and self.ended and not self.is_cutting:
            self.close()

    def shut(self) -> None:
        """Ends this direction, once all is sent."""
        self.is_shutting = True
        if self.out:
            return
        peer = self.peer
        if peer and self.ended and peer.ended and not (peer.out or self.held or peer.held):
            return self.close()
        if not self.deaf:
            self.deaf = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                # It is gone: reading tells.
                pass

    # Ends.

    def lose(self) -> None:
        """A read told that the connection was reset."""
        self.readable, self.ended, self.cut, self.deaf = False, True, True, True
        self.keep(b"")
        self.over()

    def fail(self) -> None:
        """A write told that the connection was reset. What came before can still be read, and is the peer's."""
        self.cut = self.deaf = True
        self.keep(b"")
        if self.state != PASS:
            return self.close(True)
        if self.ended:
            return self.over()
        self.readable = self.hung = True
        self.take_turn()
        self.peer.take_turn()

    def over(self) -> None:
        """Nothing comes any more."""
        peer = self.peer
        if self.state == LINGER:
            if self.cut or not (self.is_cutting or self.out):
                self.close()
        elif self.cut:
            peer.part(True)
        else:
            peer.shut()

    def part(self, is_cutting: bool = False) -> None:
        """Ends the session, its own socket once all that was for it has arrived: what still comes is read meanwhile, since closing
        with unread data would destroy what was sent. Then it is cut where the other side was.
        """
        self.let_go()
        now = self.seen = self.loop.now
        self.state, self.body, self.is_cutting, self.ends = LINGER, None, is_cutting, now + LINGER_MOST_SECONDS
        if not is_cutting:
            self.shut()
            if self.ended and not self.out:
                return self.close()
        self.arm(now + (QUIET_SECONDS if is_cutting else LINGER_SECONDS))
        self.take_turn()

    def arm(self, when: float) -> None:
        """Has `check` called then, or before."""
        if not self.timer or when < self.timer[0]:
            self.loop.cancel(self.timer)
            self.timer = self.loop.at(when, self.due)

    def due(self) -> None:
        self.timer = None
        self.check()

    def check(self) -> None:
        """Ends what has lasted too long."""
        now = self.loop.now
        due = self.seen + (QUIET_SECONDS if self.is_cutting else LINGER_SECONDS)
        is_sent = not self.out and not (self.is_cutting and not self.deaf and unsent(self.sock))
        if now >= self.ends or (now >= due and is_sent):
            return self.close(self.is_cutting or bool(self.out))
        self.arm(max(due, now + QUIET_SECONDS))

    def close(self, is_cut: bool = False) -> None:
        """Closes both sockets now. With `is_cut` so that nobody takes what is missing for the end."""
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.loop.cancel(self.timer)
        self.keep(b"")
        if self.pipe:
            self.agent.pipes.give(self.pipe, not self.held)
            self.pipe, self.held = None, 0
        if is_cut:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.loop.close(self.sock)
        self.let_go(is_cut)

    def let_go(self, is_cut: bool = False) -> None:
        """Closes the peer alone."""
        peer, self.peer = self.peer, None
        if peer:
            peer.peer = None
            peer.close(is_cut)

    def reset(self) -> None:
        self.close(True)


def unsent(sock: socket.socket) -> int:
    """Bytes that the other end has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQ, bytes(4)))[0]


class Upstream(Side):
    """The socket to the destination. It carries HTTP exchanges of one client, one at a time, or is one end of a tunnel.

    Between exchanges it is in the state HEAD, and its client's alone: an origin may know a connection as somebody's.
    """

    __slots__ = ("head", "scanned", "interims", "lines", "request", "keeps", "is_again")

    def __init__(self, client: Client, sock: socket.socket) -> None:
        super().__init__(client.agent, sock, PASS)
        self.peer = client
        # The answer's head as far as it has come; None in a tunnel, and after it.
        self.head, self.scanned, self.interims, self.lines = b"" if client.request else None, 0, 0, 0
        # `keeps`: another request may follow this one.
        self.request, self.keeps, self.is_again = client.request, False, False

    def event(self, mask: int, descriptor: int) -> None:
        if self.state == HEAD and mask & ~select.EPOLLOUT:
            # Its end, or an answer to nothing.
            return self.peer.let_go()
        super().event(mask, descriptor)

    def rest(self) -> bool:
        """Whether it waits for another request from now on."""
        if self.state == PASS and self.keeps and not (self.hung or self.out):
            self.state, self.seen = HEAD, self.loop.now
            self.agent.spares += 1
        return self.state == HEAD

    def takes(self, request: Request) -> bool:
        """Whether another request may go to it: to the same origin, which is still permitted and has been silent since."""
        last, now = self.request, self.loop.now
        if not request.is_light or (last.host, last.port) != (request.host, request.port) or now > self.seen + KEEP_ORIGIN_SECONDS:
            return False
        try:
            if self.agent.permits(self.sock.getpeername()[0]):
                self.sock.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        self.agent.spares -= 1
        self.state, self.request, self.seen, self.is_again = PASS, request, now, True
        self.readable = self.is_bulk = False
        self.head, self.scanned, self.interims, self.lines, self.body, self.keeps = b"", 0, 0, 0, None, False
        return True

    def close(self, is_cut: bool = False) -> None:
        self.agent.spares -= self.state == HEAD
        super().close(is_cut)

    def received(self, data: memoryview) -> None:
        client = self.peer
        self.agent.bytes[Upstream] += len(data)
        try:
            if self.head is not None:
                self.is_bulk = False
                self.head += data
                self.read_heads(client)
            elif self.body:
                self.pass_body(client, data)
            else:
                client.send(data)
        except ValueError as problem:
            self.spoil(client, "The origin's answer is malformed: %s." % problem)

    def spoil(self, client: Client, text: str) -> None:
        """The answer is none: says so, or where the client has a part of it, cuts it: only that tells it that it is not the whole."""
        if self.head is not None:
            return client.refuse(Refused(502, text, 1, "http_protocol_error"))
        self.agent.errors += 1
        client.part(True)

    def read_heads(self, client: Client) -> None:
        """Passes interim answers and the final one's head on, each rewritten. Raises ValueError, with the line that is bad."""
        while self.head is not None and self.state == PASS:
            end = HEAD_END.search(self.head, max(self.scanned - 2, 0))
            if not end:
                self.scanned = len(self.head)
                if self.scanned > 2 * HEAD_BYTES:
                    raise ValueError("its head is too long")
                if self.head[:5] != b"HTTP/"[: self.scanned]:
                    raise ValueError(shown(self.head))
                return
            head = self.head[: end.start()]
            self.lines += head.count(b"\n")
            if self.lines > MAX_LINES:
                raise ValueError("its head is too long")
            head = FOLD.sub(b" ", head)
            first, *lines = [line[:-1] if line.endswith(b"\r") else line for line in head.split(b"\n")]
            status = STATUS_LINE.fullmatch(first)
            code = status and status.group(1)
            if not code or (code == b"101" and not client.request.upgrade):
                raise ValueError(shown(first))
            lines, options, body = forwarded(cleaned_fields(lines), False)
            rest, self.scanned, is_final = self.head[end.end() :], 0, code >= b"200"
            if code == b"101":
                lines += [b"Connection: upgrade", b"Upgrade: " + client.request.upgrade]
                client.become_tunnel()
            elif is_final:
                is_empty = client.request.method == b"HEAD" or code in (b"204", b"304")
                self.body = Body(0) if is_empty else body or Body(sys.maxsize)
                # Where its request is not through, what follows in the connection is no request.
                client.keeps = client.keeps and client.body.done and self.body.left < sys.maxsize >> 1
                is_sure = body and not is_empty and first[7:8] == b"1" and b"close" not in options
                self.keeps = bool(is_sure) and client.keeps and self.request.is_light
                if not client.keeps:
                    lines.append(b"Connection: close")
            else:
                self.interims += 1
                if self.interims > MAX_INTERIM_ANSWERS:
                    raise ValueError("too many interim answers")
            head = b"\r\n".join([b"HTTP/1.1 " + code + b" " + CONTROLS.sub(b" ", status.group(2) or b""), *lines, b"", b""])
            size = self.body.take(rest) if self.body else 0
            self.keeps = self.keeps and size == len(rest)
            if is_final or code == b"101":
                self.head = None
                client.send(head + (rest[:size] if is_final else rest))
                if is_final and self.body.done:
                    client.finish()
            else:
                self.head = rest
                client.send(head)

    def pass_body(self, client: Client, data: memoryview) -> None:
        size = self.body.take(data)
        self.keeps = self.keeps and size == len(data)
        client.send(data[:size])
        if self.body.done and self.state == PASS:
            client.finish()

    def body_done(self) -> None:
        self.peer.finish()

    def over(self) -> None:
        client, body = self.peer, self.body
        if self.state != PASS or not client.request:
            return super().over()
        if self.is_again and not (self.head is None or self.head or self.interims):
            # It ended while the request was on its way, which may be sent again (RFC 9112 9.3.1).
            return client.reach(self.request.host, self.request.port)
        if self.head is not None:
            text = shown(self.head) if self.head else "nothing came"
            return self.spoil(client, "The origin's answer is not whole: %s." % text)
        missing = None if self.cut else b"" if body.left > sys.maxsize >> 1 else body.missing()
        if missing is None:
            return self.spoil(client, "")
        client.send(missing)
        client.finish()


def shown(head: bytes) -> str:
    """The first line of what an origin sent, for an answer's text."""
    return repr(head.split(b"\n")[0][:80].decode("latin-1").strip())


# What is refused in its own protocol, by its first byte: TLS gets an alert, SOCKS4 its reply.
FOREIGN = {0x16: b"\x15\3\1\0\2\2\x28", 4: b"\0\x5b" + bytes(6)}
HTTP2 = b"PRI * HTTP/2.0"
# An empty SETTINGS frame, and GOAWAY with HTTP_1_1_REQUIRED.
HTTP2_REFUSAL = b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0" + bytes(7) + b"\x0d"


class Client(Side):
    """A client's socket, from accept to the end of its requests or tunnel."""

    __slots__ = ("address", "deadline", "pending", "scanned", "request", "keeps", "is_kept", "is_socks", "reader", "want", "dial")

    def __init__(self, agent: Agent, sock: socket.socket, address: tuple) -> None:
        super().__init__(agent, sock, HEAD)
        self.address, self.deadline = address, self.seen + HEAD_SECONDS
        self.pending, self.scanned, self.request, self.dial = b"", 0, None, None
        self.keeps = self.is_kept = self.is_socks = False
        # Reads what SOCKS sends: yields how many bytes it wants next.
        self.reader, self.want = None, 0
        self.arm(self.deadline)

    def name(self) -> str:
        return "%s:%d" % self.address

    def wants(self) -> bool:
        if self.state == PASS:
            return not (self.held or self.peer.out or (self.request and self.body.done))
        return self.state == LINGER or (self.state == HEAD and not self.out)

    def is_active(self) -> bool:
        """Whether it is there, and not only a client that gave up and whose destination does not notice."""
        return not self.hung or self.loop.now < self.last_seen() + HALF_CLOSED_SECONDS

    def last_seen(self) -> float:
        return max(self.seen, self.peer.seen) if self.peer else self.seen

    def received(self, data: memoryview) -> None:
        if self.state == HEAD:
            if self.is_kept:
                self.is_kept, self.deadline = False, self.loop.now + HEAD_SECONDS
                self.arm(self.deadline)
            self.pending += data
            return self.read_on()
        self.agent.bytes[Client] += len(data)
        if self.request:
            try:
                size = self.body.take(data)
            except ValueError as problem:
                return self.spoil(problem)
            if size < len(data):
                # The next request, which is another matter.
                self.pending = bytes(data[size:])
                data = data[:size]
        self.peer.send(data)

    def spoil(self, problem: ValueError) -> None:
        """A body's framing is broken: the origin must not take it for a whole one."""
        has_begun, self.keeps = self.peer.head is None, False
        self.let_go(True)
        if has_begun:
            return self.part(True)
        self.refuse(Refused(400, "The request is malformed: %s." % problem))

    def drained(self) -> None:
        super().drained()
        if self.state == HEAD:
            self.loop.calls.append(self.read_on)
            self.read()

    def hung_up(self, mask: int) -> None:
        if self.state == WAIT or (self.state == PASS and self.request):
            if mask & (select.EPOLLHUP | select.EPOLLERR):
                return self.close(True)
        if self.state in (WAIT, PASS):
            self.seen = self.loop.now
            self.arm(self.seen + HALF_CLOSED_SECONDS)

    def over(self) -> None:
        if self.state == HEAD:
            self.close()
        elif self.state == PASS and self.request:
            self.close(True)
        else:
            super().over()

    def fail(self) -> None:
        if self.request:
            return self.close(True)
        super().fail()

    def check(self) -> None:
        now = self.loop.now
        if self.state == LINGER:
            return super().check()
        if self.state == HEAD:
            due = min(self.deadline, now + KEEP_ORIGIN_SECONDS)
            if self.peer and now > self.peer.seen + KEEP_ORIGIN_SECONDS:
                self.let_go()
            if now >= due and self.pending and not self.is_socks:
                return self.refuse(Refused(408, "The request's head took too long."))
        elif self.hung:
            due = self.last_seen() + (HALF_CLOSED_SECONDS if self.request else HALF_CLOSED_TUNNEL_SECONDS)
        else:
            due = self.last_seen() + IDLE_SECONDS
        if now >= due:
            return self.close(self.state != HEAD)
        self.arm(due)

    def part(self, is_cutting: bool = False) -> None:
        self.agent.sessions.pop(self, None)
        super().part(is_cutting)
        if not self.out and self.agent.room() < -MOST_LINGERING and self.state == LINGER:
            # Those who wait for their last bytes to arrive hold descriptors as well: what the margin of 128 has for them is used up.
            self.close()

    def close(self, is_cut: bool = False) -> None:
        self.reader = None
        if self.dial:
            self.dial.cancel()
            self.dial = None
        self.agent.forget(self)
        super().close(is_cut)

    def finish(self) -> None:
        """Ends the exchange, and the connection unless it can be kept for another."""
        if not self.keeps or self.agent.is_ending() or self.agent.room() < self.agent.max_sessions:
            return self.part()
        if self.peer and not self.peer.rest():
            self.let_go()
        self.agent.sessions.pop(self, None)
        self.state, self.request, self.body, self.scanned, self.is_kept = HEAD, None, None, 0, not self.pending
        if self.pending:
            self.loop.calls.append(self.read_on)
        if self not in self.agent.strangers:
            self.deadline = self.loop.now + KEEP_SECONDS
        self.arm(min(self.deadline, self.loop.now + KEEP_ORIGIN_SECONDS))
        self.take_turn()

    def refuse(self, refused: Refused) -> None:
        self.dial = None
        self.agent.errors += refused.status >= 500
        if self.is_socks:
            self.send(socks_reply(refused.reply))
        else:
            self.keeps = self.keeps and bool(self.body) and self.body.done
            self.send(answer(refused.status, "text/plain", refused.text + "\n", refused.error, self.keeps))
        self.finish()

    # Requests.

    def read_on(self) -> None:
        """Goes on with what has come of a request."""
        if self.state != HEAD or self.out:
            return
        try:
            if self.reader:
                self.read_more()
            else:
                self.read_head()
        except Refused as refused:
            self.refuse(refused)

    def read_head(self) -> None:
        data = self.pending
        if data[:1] in (b"\r", b"\n"):
            # RFC 9112 2.2: clients that send an empty line before a request.
            data = self.pending = data.lstrip(b"\r\n")
        if not data:
            return
        self.keeps = False
        if data[0] == 5:
            self.is_socks, self.reader, self.want = True, self.read_socks(), 1
            next(self.reader)
            return self.read_more()
        if not NAME.match(data):
            self.send(FOREIGN.get(data[0], b""))
            return self.part()
        end = HEAD_END.search(data, max(self.scanned - 2, 0))
        size = end.end() if end else len(data)
        if size > HEAD_BYTES or data.count(b"\n", 0, size) > MAX_LINES:
            raise Refused(431, "The request's head is too long.")
        if not end:
            self.scanned = len(data)
            return
        if data.startswith(HTTP2):
            self.send(HTTP2_REFUSAL)
            return self.part()
        self.pending, self.scanned = data[size:], 0
        head = data[:size]
        request = self.agent.heads.get(head) or Request(head)
        # Without a body it has no state.
        if request.body.done and len(head) <= MAX_HEAD_BYTES:
            if len(self.agent.heads) >= MAX_HEADS:
                self.agent.heads.clear()
            self.agent.heads[head] = request
        self.serve(request)

    def serve(self, request: Request) -> None:
        self.body, self.keeps = request.body, request.keeps
        if not self.agent.settings.accepts(request.given):
            raise Refused(407, "Proxy credentials are missing or wrong.", 2, "http_request_denied")
        is_probe = bool(request.head) and request.host == PROBE_HOST
        self.agent.authenticate(self, is_probe)
        if is_probe:
            return self.serve_probe(request)
        self.request = request if request.head else None
        if self.peer and self.peer.takes(request):
            self.carry()
        else:
            self.reach(request.host, request.port)

    def reach(self, host: str, port: int) -> None:
        self.let_go()
        self.state = WAIT
        self.dial = Dial(self.agent, host, port, self.address[0], self.reached, self.refuse)
        self.dial.start()

    def reached(self, sock: socket.socket, mask: int) -> None:
        self.dial = None
        upstream = self.peer = Upstream(self, sock)
        self.loop.handlers[sock.fileno()] = upstream
        self.carry()
        if not self.request:
            self.body = None
            self.send(socks_reply(0) if self.is_socks else b"HTTP/1.1 200 Connection established\r\n\r\n")
        data, self.pending = self.pending, b""
        if data and self.state == PASS:
            self.received(memoryview(data))
        if mask & ~select.EPOLLOUT and self.state == PASS:
            upstream.event(mask & ~select.EPOLLOUT, 0)
        self.read()

    def carry(self) -> None:
        self.state = PASS
        self.arm(self.loop.now + (HALF_CLOSED_SECONDS if self.hung else IDLE_SECONDS))
        if self.request:
            self.peer.send(self.request.head)

    def become_tunnel(self) -> None:
        """After the origin's 101. What has come since the request is for it."""
        self.keeps, self.request, self.body = False, None, None
        self.peer.send(self.pending)
        self.pending = b""
        self.take_turn()

    def serve_probe(self, request: Request) -> None:
        nonce = re.fullmatch(rb"/([0-9a-f]{32})", request.path)
        if request.method != b"GET" or not nonce:
            raise Refused(404, "No such probe.")
        if self.agent.probes >= MAX_PROBES:
            raise Refused(503, "Too many probes at once.", 1, "connection_limit_reached")
        self.state = WAIT
        self.agent.probes += 1

        def reached(sock: socket.socket, _mask: int) -> None:
            # A connection to the public URL shows that egress works.
            self.loop.close(sock)
            self.agent.probes -= 1
            self.send(answer(200, "application/json", json.dumps(self.agent.proof(nonce.group(1))), "", self.keeps))
            self.dial = None
            self.finish()

        def failed(_refused: Refused) -> None:
            self.agent.probes -= 1
            self.refuse(Refused(502, "The public URL cannot be reached.", 1, "destination_unavailable"))

        self.dial = Dial(self.agent, *host_and_port(self.agent.settings.url), "", reached, failed, True)
        self.dial.start()

    def read_more(self) -> None:
        """SOCKS: gives the reader what it wants, as far as it is there."""
        try:
            while self.reader and len(self.pending) >= self.want:
                data, self.pending = self.pending[: self.want], self.pending[self.want :]
                self.want = self.reader.send(data)
        except StopIteration:
            self.reader = None

    def read_socks(self):
        """RFC 1928, RFC 1929."""
        yield 1
        methods = yield (yield 1)[0]
        method = 2 if self.agent.settings.pair else 0
        if method not in methods:
            self.send(b"\5\xff")
            return self.part()
        self.send(bytes([5, method]))
        if method:
            name = yield (yield 2)[1]
            password = yield (yield 1)[0]
            if not self.agent.settings.accepts(name + b":" + password):
                self.send(b"\1\1")
                return self.part()
            self.send(b"\1\0")
        _, command, _, kind = yield 4
        if command != 1 or kind not in (1, 3, 4):
            raise Refused(400, "", 7 if command != 1 else 8)
        if kind == 1:
            host = socket.inet_ntoa((yield 4)).encode()
        elif kind == 4:
            host = b"[" + socket.inet_ntop(socket.AF_INET6, (yield 16)).encode() + b"]"
        else:
            host = yield (yield 1)[0]
        port = int.from_bytes((yield 2), "big")
        match = AUTHORITY.fullmatch(host)
        if not match or match.group(2):
            raise Refused(400, "", 8)
        self.agent.authenticate(self, False)
        self.reach(host.decode().lower(), port)


def socks_reply(code: int) -> bytes:
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


# --- The agent ---


class Agent:
    """What clients, destinations and reports share. All of it runs on the loop's thread; the reports only read."""

    def __init__(self, store: Store, bind: str | None, allow_loopback: bool) -> None:
        self.store, self.settings, self.bind, self.allow_loopback = store, store.settings, bind, allow_loopback
        self.loop, self.pipes = Loop(), Pipes()
        self.buffer = bytearray(READS[0][1])
        self.view, self.held, self.read_bytes = memoryview(self.buffer), 0, READS[0][1]
        self.resolver = Resolver(self.loop, RESOLVER_THREADS, RESOLVER_SHARE)
        # Clients' dead names must not make probes fail.
        self.own_resolver = Resolver(self.loop, 2, 2)
        # As ordered sets. By identity: a port may be another client's before its last one is forgotten.
        self.clients, self.strangers, self.sessions = {}, {}, {}
        # Since this start, `boot`; bytes by the side that they came from.
        self.requests = self.opened = self.errors = self.probes = 0
        # Sockets to destinations beside the one of each session: those that wait for a request, and second tries.
        self.spares = 0
        self.bytes, self.boot = {Client: 0, Upstream: 0}, secrets.token_hex(8)
        self.verdicts, self.heads, self.is_stopping = {}, {}, False
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.max_strangers = min(MAX_STRANGERS, limit // 4)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        room = limit - self.max_strangers - 128 - 2 * min(MAX_PIPES, limit // 16)
        self.max_sessions = min(room // 2, memory // SESSION_BYTES)

    def hold(self, size: int) -> None:
        """Counts what waits to be sent. The more it is, the less is read at once."""
        if size:
            self.held += size
            self.read_bytes = [count for least, count in READS if self.held >= least][-1]

    def event(self, _mask: int, descriptor: int) -> None:
        if descriptor == self.listener.fileno():
            return self.accept()
        # The machine's addresses or routes have changed.
        try:
            while self.watch.recv(65536):
                pass
        except OSError:
            pass
        self.look_around()

    def reset(self) -> None:
        """Nothing: no single client is concerned."""
        pass

    def look_around(self) -> None:
        """Forgets what rested on the machine's addresses, and sees whether there is an IPv6 route."""
        self.verdicts.clear()
        self.resolver.known.clear()
        self.has_ipv6 = False
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
                trial.connect((IPV6_ROUTE, 53))
                source = ipaddress.ip_address(trial.getsockname()[0])
                self.has_ipv6 = not any(source in network for network in DENIED) or (source.is_loopback and self.allow_loopback)
        except OSError:
            # No route.
            pass

    def accept(self) -> None:
        for _ in range(32):
            try:
                descriptor, address = self.listener._accept()
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
            except BlockingIOError:
                return
            except OSError as problem:
                # Out of descriptors, most likely. The oldest stranger goes, and the others' turn is before the next try.
                log("cannot accept: %s" % problem, "accept")
                self.evict()
                self.loop.epoll.modify(self.listener, 0)
                self.loop.at(self.loop.now + 0.2, self.accept_again)
                return
            if not self.settings.admits(address[0]):
                sock.close()
                continue
            sock.setblocking(False)
            client = Client(self, sock, address)
            self.loop.add(sock, client)
            self.clients[client] = self.strangers[client] = None
            # The oldest goes: whoever knows the password shows it within a round trip.
            if len(self.strangers) > self.max_strangers:
                self.evict()

    def accept_again(self) -> None:
        if not self.is_stopping:
            self.loop.epoll.modify(self.listener, select.EPOLLIN)

    def evict(self) -> None:
        if self.strangers:
            next(iter(self.strangers)).close(True)

    def forget(self, client: Client) -> None:
        for group in (self.clients, self.strangers, self.sessions):
            group.pop(client, None)
        if self.is_stopping and not self.clients:
            self.leave()

    def leave(self) -> None:
        """Once what happens now is through."""
        self.loop.calls.append(lambda: os._exit(0))

    def is_ending(self) -> bool:
        return self.is_stopping or self.loop.now >= self.settings.drain_at

    def room(self) -> int:
        """Descriptors that sessions have left: each takes two, a connection that is kept one, a spare socket one."""
        return 2 * self.max_sessions - len(self.clients) + len(self.strangers) - len(self.sessions) - self.spares

    def authenticate(self, client: Client, is_probe: bool) -> None:
        is_new = client in self.strangers
        self.strangers.pop(client, None)
        if is_probe:
            return
        if self.is_ending() or self.room() <= 0:
            raise Refused(503, "This proxy is drained or full: take another.", 1, "connection_limit_reached")
        self.sessions[client] = None
        self.requests += 1
        self.opened += is_new

    def permits(self, address: str) -> bool:
        verdict = self.verdicts.get(address)
        if verdict is None:
            ip = ipaddress.ip_address(address)
            # Not by is_loopback: newer versions of Python count IPv4 in IPv6 clothes.
            if self.allow_loopback and (address == "::1" or address.startswith("127.")):
                verdict = address != self.bind
            else:
                verdict = not any(ip in network for network in DENIED) and not is_own(address)
            if len(self.verdicts) >= MAX_VERDICTS:
                self.verdicts.clear()
            if self.watch:
                self.verdicts[address] = verdict
        # Behind a cloud's NAT the public address is none of the machine's: the pool tells it.
        return verdict and address != self.settings.address

    def proof(self, nonce: bytes) -> dict:
        key = sha256(self.store.key).encode()
        return {"proof": hmac.new(key, nonce, hashlib.sha256).hexdigest(), "active": len(self.active())}

    def active(self) -> list:
        """Sessions whose clients are there."""
        return [client for client in list(self.sessions) if client.is_active()]

    def counters(self) -> dict:
        """Counters of protocol.ts."""
        counts = {"bytesIn": self.bytes[Client], "bytesOut": self.bytes[Upstream], "requests": self.requests}
        return {**counts, "errors": self.errors, "opened": self.opened}

    def drop(self, names: list) -> None:
        for client in list(self.sessions):
            if client.name() in names:
                client.reset()

    def stop(self) -> None:
        """On a signal: listens no more, lets sessions end, then ends. On the second one ends at once."""
        if self.is_stopping:
            os._exit(0)
        self.is_stopping = True
        self.loop.close(self.listener)
        self.loop.at(self.loop.now + STOP_SECONDS, self.end)
        for client in list(self.clients):
            if client.state == HEAD and not client.pending:
                client.close()
        if not self.clients:
            self.leave()

    def end(self) -> None:
        for client in list(self.clients):
            client.reset()
        self.leave()

    def run(self, port: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.loop.call(self.stop))
        self.watch = None
        try:
            watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            watch.bind((0, NETLINK_ADDRESSES_AND_ROUTES))
            self.loop.add(watch, self, select.EPOLLIN)
            self.watch = watch
        except OSError as problem:
            log("no netlink: %s" % problem)
        self.look_around()
        listener = self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit these. A client that vanished is noticed within a minute.
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        ):
            listener.setsockopt(level, option, value)
        listener.bind((self.bind or "0.0.0.0", port))
        listener.listen(1024)
        self.loop.add(listener, self, select.EPOLLIN)
        log("%s listening on port %d" % (VERSION, port))
        threading.Thread(target=Reporter(self).run, daemon=True).start()
        # What is here now stays: the collector need not look at it again.
        gc.freeze()
        self.loop.run()


# --- Reports to the pool ---


class Unauthorised(Exception):
    """The pool does not know this token or key."""

    pass


class Broken(OSError):
    """The line ended, or could not be opened."""

    pass


class Line:
    """A WebSocket, seen from its client (RFC 6455): texts both ways, as bytes."""

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        self.sock, self.data, self.text = sock, data, b""

    def send(self, data: bytes, code: int = 1) -> None:
        size, mask = len(data), os.urandom(4)
        length = bytes([128 | size]) if size < 126 else struct.pack(">BH", 254, size) if size < 65536 else struct.pack(">BQ", 255, size)
        masked = int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        self.sock.settimeout(CALL_SECONDS)
        self.sock.sendall(bytes([128 | code]) + length + mask + masked.to_bytes(size, "big"))

    def receive(self) -> bytes:
        """The next text, empty where none comes soon. Raises Unauthorised, or OSError where the line ends."""
        self.sock.settimeout(LOOK_SECONDS)
        while True:
            frame = self.data
            if len(frame) > 1:
                size, at = frame[1], 2
                if size > 125:
                    at = 4 if size == 126 else 10
                    size = int.from_bytes(frame[2:at], "big")
                if frame[0] & 112 or frame[1] > 127 or size + len(self.text) > 1 << 20:
                    raise OSError("a bad frame")
                if len(frame) >= at + size:
                    data, self.data, code = frame[at : at + size], frame[at + size :], frame[0] & 15
                    if code == 8:
                        if data[:2] == b"\x11\x31":
                            # 4401
                            raise Unauthorised
                        raise OSError("closed")
                    if code == 9:
                        self.send(data, 10)
                        self.sock.settimeout(LOOK_SECONDS)
                    elif code < 3:
                        self.text += data
                        if frame[0] > 127:
                            text, self.text = self.text, b""
                            return text
                    continue
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                return b""
            if not data:
                raise OSError("it ended")
            self.data += data


class Reporter:
    """Registers, then holds a line, or sends heartbeats where that is refused. On a thread of its own: a busy loop does not delay it."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.store = agent, agent.store
        self.tls, self.problem, self.reported, self.metrics = None, "", 0, {}
        self.last = self.sample()
        # When a line is tried next, and how often that has failed.
        self.line_at, self.unopened = 0.0, 0

    def run(self) -> None:
        is_registered, is_prompt, failures, most = False, False, 0, 15.0
        while True:
            try:
                if not is_registered:
                    is_prompt = self.call("/v1.1/register", self.store.token, {"key": self.store.key, "agent": VERSION + self.kept()})
                    log("registered")
                elif time.monotonic() < self.line_at:
                    is_prompt = self.heartbeat()
                is_registered, failures, most = True, 0, 15.0
                if time.monotonic() >= self.line_at:
                    # Where it is refused, a heartbeat follows at once: there was silence for long enough.
                    self.hold()
                else:
                    self.problem = ""
                    self.wait(PROMPT_SECONDS if is_prompt else self.agent.settings.interval * random.uniform(0.9, 1))
            except Broken as problem:
                self.complain("no line: %s" % problem)
                # All lines end together when the Worker is deployed.
                time.sleep(random.uniform(*LINE_AGAIN_SECONDS))
            except Exception as problem:
                # Whatever it met, this thread goes on.
                if isinstance(problem, Unauthorised):
                    failures, most = 0 if is_registered else failures, 60.0
                    is_registered = False
                self.complain("no report: " + (str(problem) if isinstance(problem, OSError) else type(problem).__name__))
                longest = self.agent.settings.interval if is_registered else most
                time.sleep(min(longest, 0.25 * 2.0 ** min(failures, 9)) * random.uniform(0.75, 1))
                failures += 1

    def wait(self, seconds: float) -> None:
        """Sleeps, but not beyond the moment when a drained proxy has become idle."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not (self.agent.settings.drain and self.reported and not self.agent.active()):
            time.sleep(max(min(0.5, ends - time.monotonic()), 0))

    def report(self, names: list) -> dict:
        """What both ways of reporting tell besides sessions."""
        sample = self.sample()
        # Of less time rates tell nothing.
        if sample[0] > self.last[0] + 0.2 or not self.metrics:
            self.metrics, self.last = self.measure(self.last, sample), sample
        self.reported = len(names)
        unsaved = {} if self.store.is_kept else {"unsaved": 1}
        # After a restart it would know no other credentials.
        body = {"active": len(names), "metrics": {**self.metrics, **unsaved}, "credentials": self.store.kept}
        return {**body, "boot": self.agent.boot, "counters": self.agent.counters()}

    def measure(self, before: list, sample: list) -> dict:
        seconds, requests, octets, errors, busy, total = [now - then for now, then in zip(sample, before)]
        rates = {"requests": requests / seconds, "bytes": octets / seconds, "errors": errors / seconds, "load": os.getloadavg()[0]}
        rates["cpu"] = min(max(busy / total, 0), 1) if total > 0 else 0
        return {name: round(value, 4) for name, value in rates.items()}

    def names(self) -> list:
        return [client.name() for client in self.agent.active()]

    def heartbeat(self) -> bool:
        names = self.names()
        body = {**self.report(names), "sessions": names[:MAX_SESSIONS_REPORTED]}
        if self.problem:
            # An older Worker refuses these: what failed is tried again without.
            del body["boot"], body["counters"]
        return self.call("/v1.1/heartbeat", self.store.key, body)

    def hold(self) -> None:
        """Opens a line and speaks on it until it breaks, which raises Broken, or the pool is at another address. Returns at once where it is refused."""
        try:
            line = self.tried(self.open)
            self.unopened = 0
        except OSError as problem:
            self.unopened += 1
            if self.unopened >= MAX_UNOPENED:
                self.unopened, self.line_at = 0, time.monotonic() + LINE_REFUSED_SECONDS
            raise Broken(str(problem))
        except ValueError:
            self.line_at = time.monotonic() + LINE_REFUSED_SECONDS
            return
        self.problem = ""
        try:
            self.speak(line)
        except Unauthorised:
            raise
        except Exception as problem:
            raise Broken(str(problem) if isinstance(problem, OSError) else type(problem).__name__)
        finally:
            line.sock.close()

    def open(self, url: str) -> Line:
        """Raises Unauthorised, ValueError where the answer is that there are no lines, or OSError for what may be over soon."""
        sock = self.call_socket(url)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nHost: " % key
            headers = "".join("\r\n%s: %s" % pair for pair in self.headers(self.store.key).items())
            sock.sendall(("GET /v1.1/agent HTTP/1.1\r\n%s%s%s\r\n\r\n" % (upgrade, urllib.parse.urlsplit(url).netloc, headers)).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                data = sock.recv(4096)
                if not data or len(head) > HEAD_BYTES:
                    raise OSError("no answer")
                head += data
            head, _, rest = head.partition(b"\r\n\r\n")
            if head[9:12] == b"401":
                raise Unauthorised
            if head[9:10] == b"5":
                raise OSError("the pool answers " + head[9:12].decode())
            proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            if head[9:12] != b"101" or base64.b64encode(proof) not in head:
                raise ValueError
            return Line(sock, rest)
        except Exception:
            sock.close()
            raise

    def speak(self, line: Line) -> None:
        agent, now = self.agent, time.monotonic()
        # As far as `spent` lies ahead, rises were told.
        number, heard, whole, told, marked, spent, url = 0, 0, True, set(), None, now, agent.settings.url
        sent, paid, ping, pong, acks = now - CHANGES_SECONDS, now, now + PING_SECONDS * random.random(), float("inf"), False
        recent = self.last
        while True:
            now, said = time.monotonic(), agent.settings.said
            if now > pong:
                raise OSError("no pong")
            if now > ping:
                line.send(b"ping")
                ping, pong = now + PING_SECONDS, now + PONG_SECONDS
            count, since = len(agent.active()), now - sent
            mark = agent.requests, agent.errors, count
            spent = max(spent, now)
            # Connections that come and go all the time are no rise, or each would be told.
            scale = 2 ** ((spent - now) // RISE_SECONDS // 4)
            rises = 0 < said.get("rise", 0) * scale <= count - self.reported
            if said.get("rises") and since > CHANGE_SECONDS < now - recent[0]:
                before, recent = recent, self.sample()
                rates = self.measure(before, recent)
                if any(rates.get(name, 0) >= self.metrics.get(name, 0) + least * scale for name, least in said["rises"].items()):
                    # It tells those, and not what was in the minutes before.
                    rises, self.last = True, before
            is_due = mark != marked and paid < now + 3 * CHANGES_SECONDS or agent.settings.drain and 0 == count < self.reported
            if acks or since > (CHANGE_SECONDS if rises or whole or is_due else said.get("report", agent.settings.interval)):
                names = self.names()
                body, now_told = self.report(names), set(names[:MAX_SESSIONS_REPORTED])
                number += 1
                if whole:
                    told = set()
                opened, closed = list(now_told - told), list(told - now_told)
                body.update({"number": number, "whole": whole, "opened": opened, "closed": closed, "heard": heard})
                line.send(json.dumps(body).encode())
                spent += rises * RISE_SECONDS
                paid = max(paid, now) + (not acks and not rises) * CHANGES_SECONDS
                told, marked, whole, acks, sent = now_told, mark, False, False, now
            text = line.receive()
            if text == b"pong":
                pong = float("inf")
            elif text:
                said = json.loads(text)
                if said.get("whole"):
                    whole = True
                else:
                    self.hear(said)
                    heard, acks = said["order"], True
                    if agent.settings.url != url:
                        line.send(b"", 8)
                        return time.sleep(random.uniform(*LINE_AGAIN_SECONDS) / 10)

    def sample(self) -> list:
        """Seconds, requests, bytes, errors, busy and all ticks of the machine's processors."""
        agent, ticks = self.agent, [0] * 8
        if os.path.exists("/proc/stat"):
            with open("/proc/stat") as file:
                ticks = [int(text) for text in file.readline().split()[1:9]]
        return [time.monotonic(), agent.requests, sum(agent.bytes.values()), agent.errors, sum(ticks) - ticks[3] - ticks[4], sum(ticks)]

    def hear(self, said: dict) -> bool:
        """Carries an answer out; true when the pool should learn soon what came of it. A malformed one raises and changes nothing."""
        before, after = self.agent.settings, self.agent.settings.changed(said)
        drop = set(said["drop"]).intersection(client.name() for client in list(self.agent.sessions))
        self.agent.settings = after
        if after.url != before.url:
            log("the pool is now at " + after.url)
        if drop:
            self.agent.loop.call(lambda: self.agent.drop(drop))
        self.store.save(after)
        return bool(drop) or (after.drain and not before.drain) or after.version != before.version

    def kept(self) -> str:
        return "" if self.store.is_kept else " (its state is not saved)"

    def complain(self, text: str) -> None:
        """Logs a problem once while it lasts."""
        if text != self.problem:
            log(text)
        self.problem = text

    def call(self, path: str, bearer: str, body: dict) -> bool:
        """Tells the pool, and hears its answer."""
        return self.tried(lambda url: self.hear(self.post(url, path, bearer, body)))

    def tried(self, ask):
        """What comes of the pool's address. Where a new one makes no sense, the one that did last is tried."""
        problem = None
        for url in dict.fromkeys([self.agent.settings.url, self.store.heard]):
            try:
                result = ask(url)
                self.store.heard = url
                return result
            except Exception as failed:
                # What an answer said says more than that none came.
                if not problem or isinstance(problem, OSError):
                    problem = failed
        raise problem

    def call_socket(self, url: str) -> socket.socket:
        host, port = host_and_port(url)
        # IPv4: by that address the pool knows the VM.
        sock = socket.create_connection((random.choice(lookup(host)), port), CALL_SECONDS, (self.agent.bind or "", 0))
        if url.startswith("https:"):
            self.tls = self.tls or ssl.create_default_context()
            sock = self.tls.wrap_socket(sock, server_hostname=host)
        return sock

    def headers(self, bearer: str) -> dict:
        return {"Authorization": "Bearer " + bearer, "User-Agent": "muster-agent/" + VERSION}

    def post(self, url: str, path: str, bearer: str, body: dict) -> dict:
        sock = self.call_socket(url)
        try:
            connection = HTTPConnection(urllib.parse.urlsplit(url).netloc)
            connection.sock = sock
            headers = {**self.headers(bearer), "Content-Type": "application/json", "Connection": "close"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read(1 << 20)
        finally:
            sock.close()
        if response.status == 401:
            raise Unauthorised
        if response.status != 200:
            raise OSError("the pool answers %d" % response.status)
        return json.loads(text)


def main() -> None:
    # A dead name then holds its thread about as long as anybody waits for it.
    os.environ.setdefault("RES_OPTIONS", "timeout:2 attempts:2")
    threading.stack_size(256 * 1024)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 10240)), hard))
    with open(os.path.join(os.environ["CREDENTIALS_DIRECTORY"], "agent.json")) as file:
        config = json.load(file)
    store = Store(os.environ["STATE_DIRECTORY"], config)
    agent = Agent(store, os.environ.get("MUSTER_BIND"), os.environ.get("MUSTER_ALLOW_LOOPBACK") == "1")
    agent.run(config["port"])


if __name__ == "__main__":
    main()
