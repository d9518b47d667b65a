#!/bin/sh
# libsoup 3.2.3 (Debian 12: gir1.2-soup-3.0 3.2.3-0+deb12u2, with python3-gi), seen 2026-11-29.
# Guess: a proxy that answers CONNECT with 407 and keeps the connection (RFC 9110, 15.5.8 and RFC 9112, 9.3) is sent the same
# CONNECT again there, with credentials.
# Happens: the second CONNECT names the proxy itself as its target; its Host line still names the destination. The proxy refuses to
# connect to itself, and the request fails. With `Connection: close` on the 407 it connects anew and asks for the right target.
# Output seen (P: the proxy's port):
#   kept:   CONNECT example.test:443, then CONNECT 127.0.0.1:P with credentials
#   closed: CONNECT example.test:443, then CONNECT example.test:443 with credentials
set -eu
packages="gir1.2-soup-3.0 python3-gi glib-networking"
# shellcheck disable=SC2086
dpkg-query -W $packages >/dev/null 2>&1 || apt-get install -qq -y --no-install-recommends $packages
dpkg-query -W -f '${Package} ${Version}\n' libsoup-3.0-0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/try.py" <<'PROGRAM'
import socket, sys, threading
import gi
gi.require_version("Soup", "3.0")
from gi.repository import Gio, Soup

def read(connection):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            return ""
        data += more
    return data.decode().split(" HTTP/")[0] + (" with credentials" if b"Proxy-Authorization" in data else "")

def serve(listener, keep, seen):
    head = 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n'
    connection = listener.accept()[0]
    seen.append(read(connection))
    connection.sendall((head + ("\r\n" if keep else "Connection: close\r\n\r\n")).encode())
    if not keep:
        connection.close()
        connection = listener.accept()[0]
    seen.append(read(connection))
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.close()

good = True
for keep in (True, False):
    listener, seen = socket.create_server(("127.0.0.1", 0)), []
    port = listener.getsockname()[1]
    thread = threading.Thread(target=serve, args=(listener, keep, seen), daemon=True)
    thread.start()
    session = Soup.Session(proxy_resolver=Gio.SimpleProxyResolver.new("http://user:pass@127.0.0.1:%d" % port, None), timeout=5)
    try:
        session.send_and_read(Soup.Message.new("GET", "https://example.test/"), None)
    except Exception:
        pass
    thread.join(10)
    listener.close()
    print("kept:  " if keep else "closed:", ", then ".join(seen).replace(":%d" % port, ":P"))
    target = "127.0.0.1:%d" % port if keep else "example.test:443"
    good = good and seen == ["CONNECT example.test:443", "CONNECT %s with credentials" % target]
sys.exit(not good)
PROGRAM
/usr/bin/python3 "$work/try.py"
