#!/bin/sh
# httpx 0.23.3 with httpcore 0.16.3 and socksio 1.0.0 (Debian 12: python3-httpx 0.23.3-1), requests 2.28.1 with PySocks 1.7.1, seen on 2026-11-29.
# Guess: `timeout=0.5` bounds each wait for a SOCKS5 proxy as it does each wait for an HTTP proxy or a site.
# Fact:  the messages of the SOCKS5 handshake are awaited without any limit; the time-out counts for the TCP connection before and for the
#        site's answer after. A proxy that is slow to reach the site (its reply to the request may take as long as its own connect) holds
#        the call for so long, and the call succeeds. requests with PySocks keeps its limit.
# Seen (limit 0.5 s, the proxy's reply comes after 3 s):
#        httpx, HTTP proxy: ReadTimeout in time
#        httpx, SOCKS5 proxy: 200 when the proxy replies
#        requests, SOCKS5 proxy: ConnectTimeout in time
set -eu
packages="python3-httpx python3-socksio python3-requests python3-socks"
# shellcheck disable=SC2086
dpkg-query -W $packages >/dev/null 2>&1 || apt-get install -qq -y --no-install-recommends $packages
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'PROGRAM'
import socket, sys, threading, time
import httpx, requests

SLOW_SECONDS = 3

def serve(connection):
    try:
        first = connection.recv(65536)
        if first[:1] == b"\5":
            connection.sendall(b"\5\0")
            connection.recv(65536)
            time.sleep(SLOW_SECONDS)
            connection.sendall(b"\5\0\0\1\0\0\0\0\0\0")
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        else:
            time.sleep(SLOW_SECONDS)
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    except OSError:
        pass
    connection.close()

def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
at = "127.0.0.1:%d" % listener.getsockname()[1]
socks = {"http": "socks5h://" + at}
is_so = True
for name, stated, call in (
    ("httpx, HTTP proxy", "ReadTimeout in time", lambda: httpx.get("https://site.test/", proxies="http://" + at, timeout=0.5)),
    ("httpx, SOCKS5 proxy", "200 when the proxy replies", lambda: httpx.get("http://site.test/", proxies="socks5://" + at, timeout=0.5)),
    ("requests, SOCKS5 proxy", "ConnectTimeout in time", lambda: requests.get("http://site.test/", proxies=socks, timeout=0.5)),
):
    began = time.monotonic()
    try:
        told = str(call().status_code)
    except Exception as error:
        told = type(error).__name__
    told += " in time" if time.monotonic() - began < SLOW_SECONDS - 0.5 else " when the proxy replies"
    print("%s: %s" % (name, told))
    is_so = is_so and told == stated
sys.exit(not is_so)
PROGRAM
/usr/bin/python3 -W ignore "$folder/seen.py"
echo "as stated"
