"""The load of the agent's benchmark: one thread on a bare epoll, so that it costs less than what is measured.

The one argument is JSON:
    {"kind": "connect" | "socks" | "get", "proxy": [host, port] | null, "target": [host, port], "login": "user:pass" | null,
     "count": 2000, "at_once": 32, "per_connection": 1, "bulk_bytes": 0, "bulk_rate": 0, "hold": false}
`count` exchanges, `at_once` at a time. `connect` and `socks` open a tunnel and send 32 bytes to and fro through it; `get` asks for
http://target/. `per_connection` says how many GETs a connection may carry; one that the proxy closes is replaced. With
`bulk_bytes` a tunnel carries so many bytes instead of the 32, `bulk_rate` of them a second at the most (0: no bound). `proxy` null goes straight to the target.

Prints one line of JSON: {"seconds", "connections", "p50", "p99" (of an exchange, in milliseconds), "failed"}. With `hold` all tunnels stay
open after that line, until standard input ends.
"""

import base64
import json
import resource
import select
import socket
import sys
import time

plan = json.loads(sys.argv[1])
kind, proxy, (host, port), login = plan["kind"], plan["proxy"], plan["target"], plan["login"]
bulk_bytes = plan["bulk_bytes"]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
PIECE = b"p" * 32
READ_BYTES = 1 << 20
scratch = bytearray(READ_BYTES)
credentials = b"Proxy-Authorization: Basic %s\r\n" % base64.b64encode(login.encode()) if login else b""
place = b"%s:%d" % (host.encode(), port)


def is_head(data: bytes) -> bool:
    return data.endswith(b"\r\n\r\n") and data[9:12] == b"200"


def is_answer(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    return head >= 0 and len(data) == head + 36 and data[9:12] == b"200"


def is_method(data: bytes) -> bool:
    return data == (b"\5\2" if login else b"\5\0")


def is_let_in(data: bytes) -> bool:
    return data == b"\1\0"


def is_connected(data: bytes) -> bool:
    return len(data) == 10 and data[1] == 0


def is_echo(data: bytes) -> bool:
    return data == PIECE


def steps() -> list:
    """(what to send, whether these bytes are all of the answer) of one connection, in order."""
    if kind == "get":
        common = b"Host: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n" % place
        url = b"http://%s/" % place if proxy else b"/"
        return [(b"GET %s HTTP/1.1\r\n%s%s\r\n" % (url, common, credentials if proxy else b""), is_answer)]
    opening = []
    if proxy and kind == "connect":
        opening = [(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (place, place, credentials), is_head)]
    elif proxy:
        opening = [(b"\5\1\2" if login else b"\5\1\0", is_method)]
        if login:
            name, _, password = login.encode().partition(b":")
            opening.append((b"\1%c%s%c%s" % (len(name), name, len(password), password), is_let_in))
        opening.append((b"\5\1\0\1" + socket.inet_aton(host) + port.to_bytes(2, "big"), is_connected))
    return [*opening, (b"%d %d\n" % (bulk_bytes, plan["bulk_rate"]), None) if bulk_bytes else (PIECE, is_echo)]


STEPS = steps()
epoll = select.epoll()
running, times, held = {}, [], []
started = connections = failed = 0


class Connection:
    def __init__(self) -> None:
        global connections
        connections += 1
        self.began, self.step, self.data, self.left, self.used = time.perf_counter(), 0, b"", bulk_bytes, 0
        # Blocks for no longer than the kernel takes: to loopback that is at once.
        self.socket = socket.create_connection(proxy or (host, port), 30)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        running[self.socket.fileno()] = self
        epoll.register(self.socket, select.EPOLLIN)
        self.socket.send(STEPS[0][0])

    def read(self) -> None:
        is_whole = STEPS[self.step][1]
        if is_whole is None:
            # Thrown away by the kernel, without a copy.
            size = self.socket.recv_into(scratch, READ_BYTES, socket.MSG_TRUNC)
            self.left -= size
            return self.end(self.left == 0) if self.left <= 0 or not size else None
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return self.over() if self.used and not self.data else self.end(False)
        self.data += data
        if not is_whole(self.data):
            return
        self.step += 1
        if self.step < len(STEPS):
            self.data = b""
            self.socket.send(STEPS[self.step][0])
        else:
            self.again()

    def again(self) -> None:
        """One exchange is done: the next one begins here where that is possible."""
        global started
        self.used += 1
        head = self.data.lower()
        is_kept = kind == "get" and b"\r\nconnection: close" not in head and not head.startswith(b"http/1.0")
        if not is_kept or self.used >= plan["per_connection"] or started >= plan["count"]:
            return self.end(True)
        started += 1
        now = time.perf_counter()
        times.append(now - self.began)
        self.began, self.step, self.data = now, 0, b""
        try:
            self.socket.send(STEPS[0][0])
        except OSError:
            self.over()

    def over(self) -> None:
        """A proxy may close a kept connection without having announced it: the request is then made on a new one."""
        global started
        started -= 1
        del running[self.socket.fileno()]
        self.socket.close()

    def end(self, is_good: bool) -> None:
        global failed
        failed += not is_good
        times.append(time.perf_counter() - self.began)
        del running[self.socket.fileno()]
        if plan["hold"] and is_good:
            epoll.unregister(self.socket)
            held.append(self.socket)
        else:
            self.socket.close()


began = time.perf_counter()
while started < plan["count"] or running:
    while started < plan["count"] and len(running) < plan["at_once"]:
        started += 1
        try:
            Connection()
        except OSError:
            failed += 1
    events = epoll.poll(30)
    if not events and running:
        failed += len(running)
        break
    for descriptor, _ in events:
        connection = running[descriptor]
        try:
            connection.read()
        except BlockingIOError:
            pass
        except OSError:
            connection.end(False)
seconds = time.perf_counter() - began
times.sort()
quantiles = {name: times[min(len(times) - 1, int(len(times) * share))] * 1000 for name, share in (("p50", 0.5), ("p99", 0.99))} if times else {}
print(json.dumps({"seconds": seconds, "connections": connections, "failed": failed, **quantiles}), flush=True)
if plan["hold"]:
    sys.stdin.read()
