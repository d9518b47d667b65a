#!/bin/sh
# httpx 0.23.3 with httpcore 0.16.3 and socksio 1.0.0, aiohttp 3.8.4, requests 2.28.1 with PySocks 1.7.1 (Debian 12), seen on 2026-11-29.
# Guess: a limit on each wait for bytes, httpx' `timeout` and aiohttp's `sock_read`, bounds each wait for a proxy as it does for a site.
# Fact:  httpx awaits the messages of the SOCKS5 handshake, and aiohttp the answer to CONNECT, without any limit; the time-out counts for the
#        TCP connection before and for the site's answer after. A proxy that is slow to reach the site holds the call for so long, and the
#        call goes on. aiohttp's `total` counts; requests keeps its limit.
# Seen (limit 0.5 s, the proxy's reply comes after 3 s):
#        httpx, HTTP proxy: ReadTimeout in time
#        httpx, SOCKS5 proxy: 200 when the proxy replies
#        aiohttp, sock_read: ClientHttpProxyError when the proxy replies
#        aiohttp, sock_read, http:// site: ServerTimeoutError in time
#        aiohttp, total: TimeoutError in time
#        requests, SOCKS5 proxy: ConnectTimeout in time
set -eu
packages="python3-httpx python3-socksio python3-aiohttp python3-requests python3-socks"
# shellcheck disable=SC2086
dpkg-query -W $packages >/dev/null 2>&1 || apt-get install -qq -y --no-install-recommends $packages
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'PROGRAM'
import asyncio, socket, sys, threading, time
import aiohttp, httpx, requests

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

def by_aiohttp(url, **limits):
    async def ask():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(**limits)) as session:
            async with session.get(url, proxy="http://" + at) as answer:
                return answer
    return asyncio.run(ask())

is_so = True
for name, stated, call in (
    ("httpx, HTTP proxy", "ReadTimeout in time", lambda: httpx.get("https://site.test/", proxies="http://" + at, timeout=0.5)),
    ("httpx, SOCKS5 proxy", "200 when the proxy replies", lambda: httpx.get("http://site.test/", proxies="socks5://" + at, timeout=0.5)),
    ("aiohttp, sock_read", "ClientHttpProxyError when the proxy replies", lambda: by_aiohttp("https://site.test/", sock_read=0.5)),
    ("aiohttp, sock_read, http:// site", "ServerTimeoutError in time", lambda: by_aiohttp("http://site.test/", sock_read=0.5)),
    ("aiohttp, total", "TimeoutError in time", lambda: by_aiohttp("https://site.test/", total=0.5)),
    ("requests, SOCKS5 proxy", "ConnectTimeout in time", lambda: requests.get("http://site.test/", proxies=socks, timeout=0.5)),
):
    began = time.monotonic()
    try:
        answer = call()
        told = str(getattr(answer, "status_code", None) or answer.status)
    except Exception as error:
        told = type(error).__name__
    told += " in time" if time.monotonic() - began < SLOW_SECONDS - 0.5 else " when the proxy replies"
    print("%s: %s" % (name, told))
    is_so = is_so and told == stated
sys.exit(not is_so)
PROGRAM
/usr/bin/python3 -W ignore "$folder/seen.py"
echo "as stated"
