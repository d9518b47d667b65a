#!/bin/sh
# systemd 252.39 (Debian 12: systemd 252.39-1~deb12u2), seen on 2026-11-30.
# Guess: `systemd-analyze verify unit`, the check of units in CI, ends with other than 0 where it says that a line of the unit is ignored: what the line
#        was to limit is not limited then.
# Fact:  it ends with 0 for a misspelt directive, a value that cannot be read, a section that does not exist, and says nothing at all of a user or a
#        credential that is not there, which is when the service fails to start. Other than 0 comes of a missing program or an impossible mixture.
#        That the output is empty is the check; of users and credentials it is none.
# Seen:  good unit: exit 0, silent
#        MemroyMax=64M: exit 0, says so
#        MemoryMax=64MB: exit 0, says so
#        Restart=onfailure: exit 0, says so
#        [Instal]: exit 0, says so
#        User=nosuch-user: exit 0, silent
#        LoadCredential=a:/no/such: exit 0, silent
#        ExecStart=/no/such: exit 1, says so
set -eu
command -v systemd-analyze >/dev/null || apt-get install -qq -y --no-install-recommends systemd
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
verify() { # A name, and the unit's lines after those of a good one.
	printf '[Service]\nExecStart=%s\n%s\n' "$2" "$3" >seen.service
	code=0
	systemd-analyze verify ./seen.service >told 2>&1 || code=$?
	if grep -q . told; then echo "$1: exit $code, says so"; else echo "$1: exit $code, silent"; fi
}
{
	verify "good unit" /bin/true ""
	for line in MemroyMax=64M MemoryMax=64MB Restart=onfailure "[Instal]" User=nosuch-user LoadCredential=a:/no/such; do
		verify "$line" /bin/true "$line"
	done
	verify "ExecStart=/no/such" /no/such ""
} >seen
cat seen
cat >stated <<'TXT'
good unit: exit 0, silent
MemroyMax=64M: exit 0, says so
MemoryMax=64MB: exit 0, says so
Restart=onfailure: exit 0, says so
[Instal]: exit 0, says so
User=nosuch-user: exit 0, silent
LoadCredential=a:/no/such: exit 0, silent
ExecStart=/no/such: exit 1, says so
TXT
cmp -s seen stated
echo "as stated"
