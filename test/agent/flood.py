"""Keeps a proxy busy: five tunnels that carry as much as they can, and five clients that open one tunnel after the other.

Arguments: the proxy's address and port, the Proxy-Authorization header's value, and for how many seconds. Says "flooding" once all are at work, and
at the end how many bytes came back and how many tunnels were opened.
"""

import socket
import sys
import threading
import time

proxy, authorization, ends = (sys.argv[1], int(sys.argv[2])), sys.argv[3], time.monotonic() + float(sys.argv[4])
origin = socket.create_server(("127.0.0.1", 0), backlog=512)
counts = {"bytes": 0, "tunnels": 0}


def echo():
    while True:
        connection, _ = origin.accept()
        threading.Thread(target=carry, args=(connection, connection), daemon=True).start()


def carry(source, sink):
    try:
        while data := source.recv(1 << 18):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        source.close()


def tunnel():
    sock = socket.create_connection(proxy, 5)
    head = "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n" % (origin.getsockname()[1], authorization)
    sock.sendall(head.encode())
    answer = sock.recv(4096)
    assert b" 200 " in answer, answer
    counts["tunnels"] += 1
    return sock


def bulk():
    sock, block = tunnel(), bytes(1 << 18)
    threading.Thread(target=pour, args=(sock, block), daemon=True).start()
    while time.monotonic() < ends:
        counts["bytes"] += len(sock.recv(1 << 18))


def pour(sock, block):
    try:
        while time.monotonic() < ends:
            sock.sendall(block)
    except OSError:
        pass


def churn():
    while time.monotonic() < ends:
        tunnel().close()


threading.Thread(target=echo, daemon=True).start()
workers = [threading.Thread(target=work, daemon=True) for work in [bulk] * 5 + [churn] * 5]
for worker in workers:
    worker.start()
while counts["tunnels"] < 10 or counts["bytes"] < 1 << 22:
    time.sleep(0.02)
print("flooding", flush=True)
for worker in workers:
    worker.join(max(0.1, ends - time.monotonic() + 1))
print("%(bytes)d bytes, %(tunnels)d tunnels" % counts)
