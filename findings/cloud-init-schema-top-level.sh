#!/bin/sh
# cloud-init 22.4.2 (Debian 12: cloud-init 22.4.2-1+deb12u4), seen on 2026-11-29.
# Guess: `cloud-init schema`, which refuses a misspelt key inside a module's settings, refuses a module's own name when that is misspelt, and
#        a module that is named twice.
# Fact:  unknown names at the top are "Valid cloud-config", exit 0, and so is the same name twice. No module reads such a name at boot;
#        of two `runcmd` only the last is run. User data put together from parts wants a check of its own.
# Seen:  contents for content: refused
#        write_file for write_files: Valid cloud-config, exit 0
#        runcmd twice: Valid cloud-config, exit 0, and [['second']] is left
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq cloud-init=22.4.2-1+deb12u4 python3-configobj python3-jsonschema python3-jinja2 python3-markupsafe python3-oauthlib \
	python3-jsonpatch python3-json-pointer python3-yaml python3-attr python3-pyrsistent python3-six python3-serial python3-netifaces 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
export PYTHONPATH="$folder/root/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1
checked() {
	cat >"$1.yaml"
	if /usr/bin/python3 -W ignore -m cloudinit.cmd.main schema --config-file "$1.yaml" >"$1.txt" 2>&1; then
		echo "$(grep -o 'Valid cloud-config' "$1.txt"), exit 0"
	else
		echo "refused"
	fi
}
nested=$(checked nested <<'YAML'
#cloud-config
write_files:
- path: /etc/a
  contents: text
YAML
)
top=$(checked top <<'YAML'
#cloud-config
write_file:
- path: /etc/a
  content: text
YAML
)
twice=$(checked twice <<'YAML'
#cloud-config
runcmd:
- [first]
runcmd:
- [second]
YAML
)
left=$(/usr/bin/python3 -W ignore -c 'from cloudinit.util import load_yaml; print(load_yaml(open("twice.yaml").read())["runcmd"])')
echo "contents for content: $nested"
echo "write_file for write_files: $top"
echo "runcmd twice: $twice, and $left is left"
test "$nested" = refused
test "$top" = "Valid cloud-config, exit 0"
test "$twice" = "Valid cloud-config, exit 0"
test "$left" = "[['second']]"
echo "as stated"
