#!/bin/sh
# Installs, below test/sdks and nowhere else, the clients that `npm run test:sdks` runs: those of npm by their lock file, and on
# Debian 12 those of its packages that debian.txt names, by their versions. What is there already stays as it is.
set -eu
cd "$(dirname "$0")/../test/sdks"

stamp=node_modules/.installed
if ! cmp -s package-lock.json "$stamp"; then
	npm ci --ignore-scripts --no-audit --no-fund
	cp package-lock.json "$stamp"
fi

# No other Debian has these versions, and no other system these packages.
codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}" || true)
if [ "$codename" != bookworm ] || ! command -v apt-get >/dev/null; then
	echo "This is not Debian 12: without its packages, the clients in Python and hcloud are not run."
	exit 0
fi
stamp=debian/.installed
if ! cmp -s debian.txt "$stamp"; then
	rm -rf debian
	mkdir -p debian/lists/partial debian/archives/partial
	# With folders of its own for what it fetches, apt-get needs no rights and leaves the system alone.
	apt() {
		apt-get -qq -o Dir::State::lists="$PWD/debian/lists" -o Dir::Cache="$PWD/debian" -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
	}
	apt update
	# shellcheck disable=SC2046
	apt install --download-only --no-install-recommends --yes $(cat debian.txt) >/dev/null
	for package in debian/archives/*.deb; do dpkg-deb --extract "$package" debian/root; done
	rm -rf debian/lists debian/archives debian/*.bin
	cp debian.txt "$stamp"
fi
