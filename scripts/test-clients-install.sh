#!/bin/sh
# Installs what `npm run test:clients` runs: Debian's packages, and npm's at fixed versions into a folder of their own
# (MUSTER_TEST_CLIENTS_DIR, else ~/.cache/muster-test-clients). What is there already is left as it is.
# With --all also the clients that take longer to install than they tell.
set -eu
project="$(cd "$(dirname "$0")/.." && pwd)"
directory="${MUSTER_TEST_CLIENTS_DIR:-$HOME/.cache/muster-test-clients}"

debian="openssl ca-certificates curl wget aria2 axel git httpie lftp apache2-utils ffmpeg chromium lynx w3m elinks links
	ncat proxychains4 socat corkscrew proxytunnel connect-proxy
	python3-requests python3-urllib3 python3-socks python3-aiohttp python3-httpx python3-socksio python3-scrapy python3-pycurl
	python3-httplib2 python3-tornado python3-twisted
	golang-go ruby php-cli php-curl libwww-perl liblwp-protocol-https-perl libmojolicious-perl libio-socket-ssl-perl tcl tcllib"
command -v javac >/dev/null && command -v keytool >/dev/null || debian="$debian default-jdk-headless"
if [ "${1:-}" = --all ]; then
	debian="$debian httrack yt-dlp rclone python3-pip maven r-base-core emacs-nox erlang-base erlang-inets erlang-ssl
		lua5.2 lua-http lua-lpeg-patterns gir1.2-soup-3.0 python3-gi glib-networking"
	command -v cargo >/dev/null || debian="$debian cargo"
fi
npm="undici@8.13.1 axios@1.21.1 got@16.1.0 hpagent@1.2.0 node-fetch@3.3.2 http-proxy-agent@9.1.0 https-proxy-agent@9.1.0
	socks-proxy-agent@10.1.0 proxy-agent@8.0.3 superagent@10.4.2 global-agent@4.1.6 make-fetch-happen@16.0.1 request@2.88.2
	tunnel@0.0.6 playwright-core@1.65.1 puppeteer-core@25.16.0 @crawlee/cheerio@3.18.1"

missing=""
for package in $debian; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
	as_root=""
	[ "$(id -u)" = 0 ] || as_root=sudo
	$as_root apt-get update -qq
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
fi

mkdir -p "$directory"
if [ "$(cat "$directory/installed" 2>/dev/null)" != "$npm" ]; then
	# shellcheck disable=SC2086
	npm install --prefix "$directory" --ignore-scripts --no-audit --no-fund --silent $npm
	echo "$npm" >"$directory/installed"
fi

# Go's first build of its HTTP library takes a minute; the tests find it done.
GO111MODULE=off GOCACHE="$directory/go" go build -o /dev/null "$project/test/clients/programs/fetch.go"
