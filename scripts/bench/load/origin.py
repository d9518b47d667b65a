"""The destination of the agent's benchmark: one thread on a bare epoll, so that it costs less than what is measured.

Prints the ports of its three services as JSON and serves until its standard input ends:
`echo` sends back what comes; `http` answers each request (GET only) with 32 bytes and keeps the connection unless asked to
close it; `bulk` sends as many bytes as the line that it is sent says, no faster than the second number (bytes a second; 0: as fast as it can), then closes.
"""

import json
import resource
import select
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n%s\r\n" + b"x" * 32
KEPT, CLOSED = ANSWER % b"", ANSWER % b"Connection: close\r\n"
BLANK_BYTES = 1 << 20
# socket(7); Python has no name for it.
SO_MAX_PACING_RATE = 47

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
epoll = select.epoll()
listeners, connections, heads, owed = {}, {}, {}, {}
# Sent with a copy, as programs do. From a file (sendfile), the kernel would hand on pages of 4 KB, of which a pipe holds but 16.
blank = memoryview(bytes(BLANK_BYTES))


def listen(serve) -> int:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    listener.setblocking(False)
    listeners[listener.fileno()] = listener, serve
    epoll.register(listener, select.EPOLLIN)
    return listener.getsockname()[1]


def accept(listener: socket.socket, serve) -> None:
    for _ in range(64):
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection, serve
        epoll.register(connection, select.EPOLLIN)


def close(connection: socket.socket) -> None:
    descriptor = connection.fileno()
    del connections[descriptor]
    heads.pop(descriptor, None)
    owed.pop(descriptor, None)
    connection.close()


def echo(connection: socket.socket) -> None:
    data = connection.recv(65536)
    if data:
        connection.send(data)
    else:
        close(connection)


def http(connection: socket.socket) -> None:
    data = connection.recv(65536)
    if not data:
        return close(connection)
    head = heads.pop(connection.fileno(), b"") + data
    if not head.endswith(b"\r\n\r\n"):
        heads[connection.fileno()] = head
    elif b"\r\nconnection: close" in head.lower():
        connection.send(CLOSED)
        close(connection)
    else:
        connection.send(KEPT)


def bulk(connection: socket.socket) -> None:
    descriptor = connection.fileno()
    if descriptor not in owed:
        line = connection.recv(64)
        if not line:
            return close(connection)
        owed[descriptor], rate = map(int, line.split())
        if rate:
            connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)
        epoll.modify(descriptor, select.EPOLLOUT)
    # One turn's worth, so that many streams get as much each.
    owed[descriptor] -= connection.send(blank[: owed[descriptor]])
    if not owed[descriptor]:
        close(connection)


print(json.dumps({"echo": listen(echo), "http": listen(http), "bulk": listen(bulk)}), flush=True)
epoll.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)
while True:
    for descriptor, _ in epoll.poll():
        if descriptor == sys.stdin.fileno():
            sys.exit()
        if descriptor in listeners:
            accept(*listeners[descriptor])
            continue
        connection, serve = connections[descriptor]
        try:
            serve(connection)
        except BlockingIOError:
            pass
        except OSError:
            close(connection)
