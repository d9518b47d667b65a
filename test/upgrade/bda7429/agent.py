"""Muster's agent: a forward proxy (HTTP, CONNECT, SOCKS5) that reports to the pool that launched it.

One file, Python 3.8 or later, standard library only: it travels in a VM's user data (without its comments and doc strings).
It reads $CREDENTIALS_DIRECTORY/agent.json and keeps its key and what the pool told it in $STATE_DIRECTORY. What agent and
pool say to each other is written down in protocol.ts. Requests are never logged.

Two variables exist for the local cloud alone: MUSTER_BIND (the address to listen on and to connect from) and
MUSTER_ALLOW_LOOPBACK=1 (loopback addresses may be destinations).
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import random
import re
import resource
import secrets
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

VERSION = "1.0.0"

HEAD_BYTES = 32 * 1024
# From accept to a whole, authenticated request.
HEAD_SECONDS = 10
IDLE_SECONDS = 300
# How long a client that was answered may go on sending before it is cut.
LINGER_SECONDS = 2
RESOLVE_SECONDS = 5
CONNECT_SECONDS = 10
PROBE_SECONDS = 2
CALL_SECONDS = 10
OLD_CREDENTIALS_SECONDS = 600
# Until the heartbeat that tells what came of an order.
PROMPT_SECONDS = 0.3
RESOLVER_THREADS = 64
# Connections that have not authenticated yet.
MAX_STRANGERS = 512
MAX_SESSIONS_REPORTED = 1000
# What one read takes at most, and so what a client that does not read leaves behind at most: less where there are many.
BUFFER_BYTES = 64 * 1024
MANY_SESSIONS = 256
BUFFER_BYTES_OF_MANY = 16 * 1024

PROBE_HOST = "probe.muster"
# What is not global unicast (IANA's special-purpose registry), and Azure's host. Spelled out: ipaddress.is_global differs
# between the versions of Python.
DENIED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
        " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
    ).split()
]

TOKEN = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
REQUEST_LINE = re.compile(TOKEN + rb" ([^\x00-\x20\x7f]+) HTTP/1\.([01])")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)( .*)?")
HEADER = re.compile(TOKEN + rb":(" + VALUE + rb")")
AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~-]+)(?::(\d{1,5}))?")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;" + VALUE + rb")?")


def log(text: str) -> None:
    """One line for the journal; never about a request, never with a secret."""
    print("muster-agent: " + text, file=sys.stderr, flush=True)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Refused(Exception):
    """A request that gets an error: an HTTP status with a sentence, and SOCKS's reply code for the same."""

    def __init__(self, status: int, text: str, reply: int = 1) -> None:
        self.status, self.text, self.reply = status, text, reply


# --- What the pool wants ---


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
        self.address = said.get("address")
        known = said["credentials"]
        self.version = known["version"] if known else 0
        self.pair = known and known["username"] + ":" + known["password"]

    def changed(self, said: dict) -> Settings:
        """The settings after an answer of the pool."""
        after = Settings(said, [known for known in self.old if known[1] > time.time()])
        if self.pair and (self.version, self.pair) != (after.version, after.pair):
            after.old.append([self.pair, time.time() + OLD_CREDENTIALS_SECONDS])
        return after

    def accepts(self, pair: str | None) -> bool:
        """Whether `user:password` is good. Takes the same time whatever is wrong with it."""
        good = [self.pair] + [known for known, until in self.old if until > time.time()]
        return not self.pair or (pair is not None and any([hmac.compare_digest(sha256(pair), sha256(known)) for known in good]))

    def admits(self, address: str) -> bool:
        return not self.networks or any(ipaddress.ip_address(address) in network for network in self.networks)


class Store:
    """The state directory: the VM's key, and what the pool said last, so that a restart goes on where it stopped."""

    def __init__(self, directory: str, config: dict) -> None:
        self.directory, self.token = directory, config["token"]
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

    def read(self, name: str) -> str:
        try:
            with open(os.path.join(self.directory, name)) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str) -> None:
        """Replaces a file so that a crash leaves either the old one or the new one."""
        path = os.path.join(self.directory, name)
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(path + ".new", path)

    def save(self, settings: Settings) -> None:
        self.settings, self.newest = settings, max(self.newest, settings.version)
        state = {"token": sha256(self.token), "newest": self.newest, "heard": self.heard, "said": settings.said, "old": settings.old}
        text = json.dumps(state)
        if text != self.read("state.json"):
            self.write("state.json", text)


# --- Destinations ---


def lookup(host: str) -> list:
    """A name's IPv4 addresses, in the resolver's order. Blocks."""
    found = socket.getaddrinfo(host.encode("ascii"), None, socket.AF_INET, socket.SOCK_STREAM)
    return list(dict.fromkeys(entry[4][0] for entry in found))


class Resolver:
    """Looks names up on threads of its own, so that dead names hold up neither the loop nor the live ones."""

    def __init__(self, threads: int) -> None:
        self.threads = concurrent.futures.ThreadPoolExecutor(threads)
        self.asked = {}

    async def addresses(self, host: str, seconds: float) -> list:
        asked = self.asked.get(host)
        if not asked:
            asked = self.asked[host] = asyncio.get_running_loop().run_in_executor(self.threads, lookup, host)
            # Takes the outcome too: whoever asked may be gone.
            asked.add_done_callback(lambda done: self.asked.pop(host) and (done.cancelled() or done.exception()))
        await asyncio.wait([asked], timeout=seconds)
        if not asked.done():
            # If it still waits for a thread, it then never takes one.
            asked.cancel()
        if asked.cancelled():
            raise Refused(504, "The name did not resolve in time.", 4)
        problem = asked.exception()
        if isinstance(problem, socket.gaierror) and problem.errno == socket.EAI_NODATA:
            raise Refused(403, "The name has no IPv4 address.", 2)
        if problem:
            raise Refused(502, "The name does not resolve.", 4)
        return asked.result()


def is_own(address: str) -> bool:
    """Whether the address is one of this machine's: only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
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
    """Follows the framing of one message's body, to tell which bytes belong to it. `size` None: chunked."""

    def __init__(self, size: int | None) -> None:
        self.left, self.done, self.chunked = size or 0, size == 0, size is None
        # What the next line of a chunked body is: a size, the end of a chunk, or a trailer.
        self.expect = "size"
        self.line = b""

    def take(self, data: memoryview) -> int:
        """How many bytes at the start of `data` belong to the body. Raises ValueError where the framing is broken."""
        at = 0
        while at < len(data) and not self.done:
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                self.done = not self.left and not self.chunked
            else:
                piece = bytes(data[at : at + 256])
                step = piece.find(b"\n") + 1 or len(piece)
                self.line += piece[:step]
                if len(self.line) > 4096:
                    raise ValueError("line too long")
                if self.line.endswith(b"\n"):
                    self.end_line(self.line)
                    self.line = b""
            at += step
        return at

    def end_line(self, line: bytes) -> None:
        line, size = line[:-2], CHUNK_SIZE.fullmatch(line[:-2])
        if not self.line.endswith(b"\r\n"):
            raise ValueError("bare line feed")
        if self.expect == "size" and size:
            self.left = int(size.group(1), 16)
            self.expect = "end" if self.left else "trailer"
        elif self.expect == "end" and not line:
            self.expect = "size"
        elif self.expect == "trailer" and (not line or HEADER.fullmatch(line)):
            self.done = not line
        else:
            raise ValueError("bad chunk")


def answer(status: int, kind: str, text: str) -> bytes:
    extra = 'Proxy-Authenticate: Basic realm="muster"\r\n' if status == 407 else ""
    head = "HTTP/1.1 %d %s\r\n%sContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
    return (head % (status, http.client.responses[status], extra, kind, len(text), text)).encode()


def parse_headers(lines: list) -> list:
    """(lower-case name, value, line) of each. Raises ValueError where a line is no header."""
    matches = [HEADER.fullmatch(line) for line in lines]
    if None in matches:
        raise ValueError("malformed header")
    return [(match.group(1).lower(), match.group(2).strip(), match.group(0)) for match in matches]


def forwarded(headers: list, host: bytes | None) -> tuple:
    """(lines to pass on, body that they announce or None). With `host` it is a request, in which every doubt about the length
    is an error: proxy and origin would disagree on where it ends.
    """
    named = {option.strip().lower() for name, value, _ in headers if name == b"connection" for option in value.split(b",")}
    named |= {b"connection", b"keep-alive", b"te", b"upgrade"}
    # A Connection header must not change where the message ends.
    named -= {b"content-length", b"transfer-encoding"}
    codings = [value.lower() for name, value, _ in headers if name == b"transfer-encoding"]
    lengths = {value for name, value, _ in headers if name == b"content-length"}
    if host and codings and (lengths or codings != [b"chunked"]):
        raise ValueError("Transfer-Encoding must be chunked, without Content-Length")
    if len(lengths) > 1 or any(not re.fullmatch(rb"\d{1,18}", length) for length in lengths):
        raise ValueError("bad Content-Length")
    if codings:
        named.add(b"content-length")
    lines = []
    if host:
        named.add(b"host")
        lines.append(b"Host: " + host)
    lines += [line for name, _, line in headers if name not in named and not name.startswith(b"proxy-")]
    if codings:
        return lines, Body(None) if codings[-1].endswith(b"chunked") else None
    return lines, Body(int(lengths.pop())) if lengths else None


class Request:
    """One HTTP request to a proxy. `head` is what goes to the origin (empty for CONNECT), `pair` is user:password."""

    def __init__(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        line = REQUEST_LINE.fullmatch(lines[0])
        if not line:
            raise Refused(400, "The request line is malformed.")
        self.method, target, minor = line.groups()
        is_connect = self.method == b"CONNECT"
        scheme, mark, rest = (b"http", b"", target) if is_connect else target.partition(b"://")
        if not mark and not is_connect:
            raise Refused(400, "This is a proxy: ask for a whole URL, or use CONNECT.")
        authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
        match = AUTHORITY.fullmatch(authority)
        if scheme.lower() != b"http" or not match or (is_connect and (authority != rest or not match.group(2))):
            raise Refused(400, "Ask for http://host[:port]/path, or CONNECT host:port.")
        self.host, self.port = match.group(1).decode().lower(), int(match.group(2) or 80)
        self.path = rest[len(authority) :].partition(b"#")[0]
        if not self.path.startswith(b"/"):
            self.path = b"*" if self.method == b"OPTIONS" and not self.path else b"/" + self.path
        try:
            headers = parse_headers(lines[1:])
            passed, body = forwarded(headers, authority)
        except ValueError as problem:
            raise Refused(400, "The request is malformed: %s." % problem)
        if body and body.chunked and minor == b"0":
            raise Refused(400, "HTTP/1.0 has no transfer codings.")
        self.pair, self.body, self.head = None, body or Body(0), b""
        given = [value.partition(b" ") for name, value, _ in headers if name == b"proxy-authorization"]
        if len(given) == 1 and given[0][0].lower() == b"basic":
            try:
                self.pair = base64.b64decode(given[0][2].strip(), validate=True).decode()
            except ValueError:
                # As good as none.
                pass
        if not is_connect:
            self.head = b"\r\n".join([self.method + b" " + self.path + b" HTTP/1." + minor, *passed, b"Connection: close\r\n\r\n"])


# --- Sockets ---


class Side(asyncio.BufferedProtocol):
    """One of the two sockets of a session. All read into one shared buffer, so that an idle one holds no memory."""

    def __init__(self, agent: Agent) -> None:
        self.agent, self.transport, self.peer, self.body = agent, None, None, None
        self.seen, self.got_eof, self.sent_eof = time.monotonic(), False, False

    def connection_made(self, transport) -> None:
        self.transport, self.socket = transport, transport.get_extra_info("socket")
        # Whatever waits here keeps the other side from being read.
        transport.set_write_buffer_limits(0)

    def get_buffer(self, _hint: int) -> memoryview:
        return self.agent.buffer if len(self.agent.sessions) < MANY_SESSIONS else self.agent.buffer[:BUFFER_BYTES_OF_MANY]

    def buffer_updated(self, size: int) -> None:
        self.seen = time.monotonic()
        self.received(self.agent.buffer[:size])

    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, data) -> None:
        """Writes what the kernel takes and copies only the rest: a transport keeps what it is given, and the buffer is shared."""
        if not self.is_open() or self.sent_eof or not data:
            return
        sent = 0
        if not self.transport.get_write_buffer_size():
            try:
                sent = os.write(self.socket.fileno(), data)
            except BlockingIOError:
                pass
            except OSError:
                return self.reset()
        if sent < len(data):
            self.transport.write(bytes(data[sent:]))

    def pause_writing(self) -> None:
        if self.peer and self.peer.is_open():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.seen = time.monotonic()
        if self.peer and self.peer.is_open():
            self.peer.transport.resume_reading()

    def send_eof(self) -> None:
        if self.is_open() and not self.sent_eof:
            self.sent_eof = True
            self.transport.write_eof()

    def close(self) -> None:
        """Closes both sockets, each once what waits in it is written."""
        for side in (self, self.peer):
            if side and side.transport:
                side.transport.close()

    def reset(self) -> None:
        """Cuts both sockets, so that nobody takes what is missing for the end."""
        for side in (self, self.peer):
            if side and side.is_open():
                side.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if side and side.transport:
                side.transport.abort()

    def connection_lost(self, problem) -> None:
        self.reset() if problem else self.close()
        self.transport = self.peer = None


class Upstream(Side):
    """The socket to the destination. With `request`, it carries one HTTP exchange; without, it is one end of a tunnel."""

    def __init__(self, client: Client, opening: bytes, request: Request | None) -> None:
        super().__init__(client.agent)
        self.peer, self.opening, self.request = client, opening, request
        # The answer's head as far as it has come; None in a tunnel, and after it.
        self.head = b"" if request else None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        client = self.peer
        if not client.is_open():
            return transport.abort()
        client.peer, client.seen = self, self.seen
        client.send(self.opening)
        # First of all: what follows may have reason to pause it again.
        client.transport.resume_reading()
        if self.request:
            client.body = self.request.body
            self.send(self.request.head)
        data, client.pending = client.pending, b""
        client.pass_on(memoryview(data))

    def received(self, data: memoryview) -> None:
        client = self.peer
        self.agent.bytes += len(data)
        try:
            if self.head is not None:
                self.head += data
                self.read_heads(client)
            elif self.body:
                self.pass_body(client, data)
            elif client:
                client.send(data)
        except ValueError:
            if self.head is not None:
                return client.refuse(Refused(502, "The origin's answer is malformed."))
            # The client has a part of the answer: only a cut tells it that it is not the whole.
            self.agent.errors += 1
            self.reset()

    def read_heads(self, client: Client) -> None:
        """Passes interim answers and the final one's head on, each rewritten."""
        while self.head is not None:
            end = re.search(rb"\r?\n\r?\n", self.head)
            if not end and len(self.head) < 2 * HEAD_BYTES:
                return
            first, *lines = re.split(rb"\r?\n", self.head[: end.start()] if end else b"")
            status = STATUS_LINE.fullmatch(first)
            code = status.group(1) if status else b"101"
            # A switch of protocols was not asked for: Upgrade is not passed on.
            if code == b"101":
                raise ValueError("no HTTP answer")
            lines, body = forwarded(parse_headers(lines), None)
            rest, self.head = self.head[end.end() :], b""
            if code >= b"200":
                lines.append(b"Connection: close")
                is_empty = self.request.method == b"HEAD" or code in (b"204", b"304")
                self.head, self.body = None, Body(0) if is_empty else body or Body(sys.maxsize)
            client.send(b"\r\n".join([first, *lines, b"\r\n"]))
            if self.body:
                self.pass_body(client, memoryview(rest))
            else:
                self.head = rest

    def pass_body(self, client: Client, data: memoryview) -> None:
        client.send(data[: self.body.take(data)])
        if self.body.done:
            client.finish()

    def eof_received(self) -> bool:
        client, self.got_eof = self.peer, True
        if self.head == b"":
            client.refuse(Refused(502, "The origin closed the connection without an answer."))
        elif self.head or (self.body and self.body.left < sys.maxsize >> 1):
            self.reset()
        elif self.body:
            client.finish()
        elif client:
            client.send_eof()
            if client.got_eof:
                self.close()
        return True


class Client(Side):
    """A client's socket, from accept to the end of its one request or tunnel."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.deadline = self.seen + HEAD_SECONDS
        self.pending, self.name, self.task = b"", "", None
        self.is_socks = self.is_finished = False
        # Reads the request: yields how many bytes it wants next, None for an HTTP head.
        self.reader = self.read_request()
        self.want = next(self.reader)

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        if not address or not self.agent.settings.admits(address[0]):
            return transport.abort()
        self.name = "%s:%d" % address
        self.agent.welcome(self)

    def connection_lost(self, problem) -> None:
        self.agent.forget(self)
        self.reader = None
        if self.task:
            self.task.cancel()
        super().connection_lost(problem)

    def received(self, data: memoryview) -> None:
        if self.reader:
            self.pending += data
            self.read_on()
        elif not self.is_finished:
            self.agent.bytes += len(data)
            self.pass_on(data)

    def pass_on(self, data: memoryview) -> None:
        try:
            # What follows the body belongs to no request that was let in.
            data = data[: self.body.take(data)] if self.body else data
        except ValueError:
            # The origin must not take the broken body for a whole one.
            return self.reset()
        if self.peer:
            self.peer.send(data)

    def eof_received(self) -> bool:
        self.got_eof = True
        if self.reader or self.is_finished:
            return False
        if self.body:
            # A whole request's answer is still wanted.
            if not self.body.done:
                self.reset()
        elif self.peer:
            self.peer.send_eof()
            if self.peer.got_eof:
                self.close()
        return True

    def check(self, now: float) -> None:
        """Ends what has lasted too long; called every second."""
        if self.reader and now > self.deadline:
            if self.pending and not self.is_socks:
                return self.refuse(Refused(408, "The request's head took too long."))
            self.transport.abort()
        elif self.is_finished and now > self.deadline and not self.transport.get_write_buffer_size():
            self.transport.abort()
        elif now - max(self.seen, self.peer.seen if self.peer else 0) > IDLE_SECONDS:
            self.transport.abort()

    def finish(self) -> None:
        """Ends the exchange. Reads on for a moment: closing with unread data would destroy what was sent."""
        upstream, self.peer, self.reader = self.peer, None, None
        if upstream:
            upstream.peer = None
            upstream.close()
        self.is_finished, self.deadline = True, time.monotonic() + LINGER_SECONDS
        self.send_eof()
        if self.is_open():
            self.transport.resume_reading()
            if self.got_eof:
                self.transport.close()

    def refuse(self, refused: Refused) -> None:
        self.agent.errors += refused.status >= 500
        self.send(socks_reply(refused.reply) if self.is_socks else answer(refused.status, "text/plain", refused.text + "\n"))
        self.finish()

    def read_on(self) -> None:
        try:
            while self.reader:
                size = self.want
                if size is None:
                    end = self.pending.find(b"\r\n\r\n")
                    if max(end, len(self.pending) if end < 0 else 0) > HEAD_BYTES:
                        raise Refused(431, "The request's head is longer than 32 KB.")
                    size = end + 4 if end >= 0 else len(self.pending) + 1
                if len(self.pending) < size:
                    return
                data, self.pending = self.pending[:size], self.pending[size:]
                self.want = self.reader.send(data)
        except StopIteration:
            self.reader = None
        except Refused as refused:
            self.refuse(refused)

    def read_request(self):
        first = yield 1
        if first == b"\5":
            self.is_socks = True
            return (yield from self.read_socks())
        request = Request(first + (yield None)[:-4])
        if not self.agent.settings.accepts(request.pair):
            raise Refused(407, "Proxy credentials are missing or wrong.")
        if request.head and request.host == PROBE_HOST:
            self.start(self.serve_probe, request)
        elif request.head:
            self.start(self.serve, request.host, request.port, b"", request)
        else:
            self.start(self.serve, request.host, request.port, b"HTTP/1.1 200 Connection established\r\n\r\n")

    def read_socks(self):
        """RFC 1928, RFC 1929."""
        methods = yield (yield 1)[0]
        method = 2 if self.agent.settings.pair else 0
        if method not in methods:
            self.send(b"\5\xff")
            return self.finish()
        self.send(bytes([5, method]))
        if method:
            name = yield (yield 2)[1]
            password = yield (yield 1)[0]
            if not self.agent.settings.accepts((name + b":" + password).decode("utf-8", "replace")):
                self.send(b"\1\1")
                return self.finish()
            self.send(b"\1\0")
        _, command, _, kind = yield 4
        if command != 1 or kind not in (1, 3):
            raise Refused(400, "", 7 if command != 1 else 8)
        if kind == 1:
            host = socket.inet_ntoa((yield 4)).encode()
        else:
            host = yield (yield 1)[0]
        port = int.from_bytes((yield 2), "big")
        match = AUTHORITY.fullmatch(host)
        if not match or match.group(2) or host.startswith(b"["):
            raise Refused(400, "", 8)
        self.start(self.serve, host.decode(), port, socks_reply(0))

    def start(self, work, *args) -> None:
        """Goes on in a task; until that is done nothing more is read."""
        self.agent.authenticated(self, work == self.serve_probe)
        self.transport.pause_reading()
        self.task = asyncio.ensure_future(self.work(work, args))

    async def work(self, work, args: tuple) -> None:
        try:
            await work(*args)
        except Refused as refused:
            self.refuse(refused)
        except Exception as problem:
            # One client's trouble is not the others'.
            log("internal error: " + type(problem).__name__)
            self.reset()
        self.task = None

    async def serve(self, host: str, port: int, opening: bytes, request: Request | None = None) -> None:
        sock = await self.agent.reach(host, port)
        await asyncio.get_running_loop().create_connection(lambda: Upstream(self, opening, request), sock=sock)

    async def serve_probe(self, request: Request) -> None:
        nonce = re.fullmatch(rb"/([0-9a-f]{32})", request.path)
        if request.method != b"GET" or not nonce:
            raise Refused(404, "No such probe.")
        proof = {"proof": await self.agent.prove(nonce.group(1)), "active": len(self.agent.sessions)}
        self.send(answer(200, "application/json", json.dumps(proof)))
        self.finish()


def socks_reply(code: int) -> bytes:
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


# --- The agent ---


class Agent:
    """What clients, destinations and reports share. All of it runs on the loop's thread; the reports only read."""

    def __init__(self, store: Store, bind: str | None, allow_loopback: bool) -> None:
        self.store, self.settings, self.bind, self.allow_loopback = store, store.settings, bind, allow_loopback
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.resolver = Resolver(RESOLVER_THREADS)
        # Clients' dead names must not make probes fail.
        self.own_resolver = Resolver(2)
        # As ordered sets; sessions by "address:port".
        self.clients, self.strangers, self.sessions = {}, {}, {}
        self.requests = self.bytes = self.errors = 0
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.max_strangers = min(MAX_STRANGERS, limit // 4)
        self.max_sessions = (limit - self.max_strangers - 128) // 2

    def welcome(self, client: Client) -> None:
        self.clients[client] = self.strangers[client] = None
        # The oldest goes: whoever knows the password shows it within a round trip.
        if len(self.strangers) > self.max_strangers:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            oldest.transport.abort()

    def forget(self, client: Client) -> None:
        self.clients.pop(client, None)
        self.strangers.pop(client, None)
        self.sessions.pop(client.name, None)

    def authenticated(self, client: Client, is_probe: bool) -> None:
        self.strangers.pop(client, None)
        if is_probe:
            return
        if self.settings.drain or len(self.sessions) >= self.max_sessions:
            raise Refused(503, "This proxy is being drained, or full.")
        self.sessions[client.name] = client
        self.requests += 1

    def permits(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        if ip.is_loopback and self.allow_loopback:
            return address != self.bind
        # Behind a cloud's NAT the public address is none of the machine's: the pool tells it.
        return address != self.settings.address and not any(ip in network for network in DENIED) and not is_own(address)

    async def reach(self, host: str, port: int) -> socket.socket:
        """A socket connected to a permitted address of `host`: to the very one that was checked. Raises Refused."""
        if host.startswith("[") or not 0 < port < 65536 or port == 25:
            raise Refused(403, "Only IPv4 is served, and not port 25.", 2)
        addresses = [address for address in await self.resolver.addresses(host, RESOLVE_SECONDS) if self.permits(address)]
        if not addresses:
            raise Refused(403, "This destination is not allowed.", 2)
        return await self.connect(addresses, port, CONNECT_SECONDS)

    async def connect(self, addresses: list, port: int, seconds: float) -> socket.socket:
        loop = asyncio.get_running_loop()
        ends, problem = loop.time() + seconds, Refused(502, "The destination cannot be reached.", 4)
        for index, address in enumerate(addresses):
            sock = socket.socket()
            try:
                sock.setblocking(False)
                if self.bind:
                    sock.bind((self.bind, 0))
                # Each address has its share of what is left: a silent one must not use it up.
                await asyncio.wait_for(loop.sock_connect(sock, (address, port)), (ends - loop.time()) / (len(addresses) - index))
                return sock
            except asyncio.TimeoutError:
                problem = Refused(504, "The destination did not answer in time.", 4)
            except ConnectionRefusedError:
                problem = Refused(502, "The destination refused the connection.", 5)
            except OSError:
                # `problem` says it.
                pass
            sock.close()
        raise problem

    async def prove(self, nonce: bytes) -> str:
        """The answer to a probe, once a connection to the public URL has shown that egress works."""
        host, port = host_and_port(self.settings.url)
        ends = time.monotonic() + PROBE_SECONDS
        try:
            addresses = await self.own_resolver.addresses(host, PROBE_SECONDS)
            (await self.connect(addresses, port, ends - time.monotonic())).close()
        except Refused:
            raise Refused(502, "The public URL cannot be reached from here.")
        return hmac.new(sha256(self.store.key).encode(), nonce, hashlib.sha256).hexdigest()

    def drop(self, names: list) -> None:
        for name in names:
            if name in self.sessions:
                self.sessions[name].reset()

    def sweep(self) -> None:
        for client in list(self.clients):
            client.check(time.monotonic())
        asyncio.get_running_loop().call_later(1, self.sweep)

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        # asyncio's own report would show what the exception holds.
        loop.set_exception_handler(lambda _, context: log("internal error: " + type(context.get("exception")).__name__))
        for number in (signal.SIGTERM, signal.SIGINT):
            # Threads that wait for a resolver would hold up an orderly exit.
            loop.add_signal_handler(number, os._exit, 0)
        await loop.create_server(lambda: Client(self), self.bind or "0.0.0.0", port, backlog=1024)
        log("%s listening on port %d" % (VERSION, port))
        self.sweep()
        threading.Thread(target=Reporter(self, loop).run, daemon=True).start()
        await loop.create_future()


# --- Reports to the pool ---


class Unauthorised(Exception):
    """The pool does not know this token or key."""

    pass


class Reporter:
    """Registers, then sends heartbeats, on a thread of its own: a busy loop does not delay them."""

    def __init__(self, agent: Agent, loop) -> None:
        self.agent, self.loop, self.store = agent, loop, agent.store
        self.tls, self.problem, self.reported = None, "", 0
        self.last = self.sample()

    def run(self) -> None:
        is_registered, failures, most = False, 0, 15.0
        while True:
            try:
                if is_registered:
                    is_prompt = self.heartbeat()
                else:
                    is_prompt = self.call("/v1.1/register", self.store.token, {"key": self.store.key, "agent": VERSION})
                    log("registered")
                is_registered, failures, most, self.problem = True, 0, 15.0, ""
                self.wait(PROMPT_SECONDS if is_prompt else self.agent.settings.interval * random.uniform(0.9, 1))
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
        while time.monotonic() < ends and not (self.agent.settings.drain and self.reported and not self.agent.sessions):
            time.sleep(max(min(0.5, ends - time.monotonic()), 0))

    def heartbeat(self) -> bool:
        sample, names = self.sample(), list(self.agent.sessions)
        seconds, requests, octets, errors, busy, total = [now - then for now, then in zip(sample, self.last)]
        metrics = {"requests": requests / seconds, "bytes": octets / seconds, "errors": errors / seconds, "load": os.getloadavg()[0]}
        metrics["cpu"] = min(max(busy / total, 0), 1) if total > 0 else 0
        body = {
            "active": len(names),
            "metrics": {name: round(value, 4) for name, value in metrics.items()},
            "sessions": names[:MAX_SESSIONS_REPORTED],
            "credentials": self.agent.settings.version,
        }
        is_prompt = self.call("/v1.1/heartbeat", self.store.key, body)
        self.last, self.reported = sample, len(names)
        return is_prompt

    def sample(self) -> list:
        """Seconds, requests, bytes, errors, busy and all ticks of the machine's processors."""
        agent, ticks = self.agent, [0] * 8
        if os.path.exists("/proc/stat"):
            with open("/proc/stat") as file:
                ticks = [int(text) for text in file.readline().split()[1:9]]
        return [time.monotonic(), agent.requests, agent.bytes, agent.errors, sum(ticks) - ticks[3] - ticks[4], sum(ticks)]

    def hear(self, said: dict) -> bool:
        """Carries an answer out; true when the pool should learn soon what came of it. A malformed one raises and changes nothing."""
        before, after = self.agent.settings, self.agent.settings.changed(said)
        drop = [name for name in said["drop"] if name in self.agent.sessions]
        self.agent.settings = after
        if after.url != before.url:
            log("the pool is now at " + after.url)
        if drop:
            self.loop.call_soon_threadsafe(self.agent.drop, drop)
        try:
            self.store.save(after)
        except OSError as problem:
            self.complain("state not saved: %s" % problem)
        return bool(drop) or (after.drain and not before.drain) or after.version != before.version

    def complain(self, text: str) -> None:
        """Logs a problem once while it lasts."""
        if text != self.problem:
            log(text)
        self.problem = text

    def call(self, path: str, bearer: str, body: dict) -> bool:
        """Tells the pool, and hears its answer. Where a new address of it makes no sense, the one that did last is tried."""
        problem = None
        for url in dict.fromkeys([self.agent.settings.url, self.store.heard]):
            try:
                is_prompt = self.hear(self.post(url, path, bearer, body))
                self.store.heard = url
                return is_prompt
            except Exception as failed:
                problem = problem or failed
        raise problem

    def post(self, url: str, path: str, bearer: str, body: dict) -> dict:
        host, port = host_and_port(url)
        # IPv4: by that address the pool knows the VM.
        sock = socket.create_connection((random.choice(lookup(host)), port), CALL_SECONDS, (self.agent.bind or "", 0))
        try:
            if url.startswith("https:"):
                self.tls = self.tls or ssl.create_default_context()
                sock = self.tls.wrap_socket(sock, server_hostname=host)
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
            connection.sock = sock
            headers = {"Authorization": "Bearer " + bearer, "Content-Type": "application/json", "User-Agent": "muster-agent/" + VERSION}
            connection.request("POST", path, json.dumps(body), {**headers, "Connection": "close"})
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
    asyncio.run(agent.run(config["port"]))


if __name__ == "__main__":
    main()
