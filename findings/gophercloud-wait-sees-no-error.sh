#!/bin/sh
# gophercloud 0.12.0, the known client for OpenStack in Go (Debian 12: golang-github-gophercloud-gophercloud-dev 0.12.0-1), seen on 2026-11-30.
# Guess: `servers.WaitForStatus(client, id, "ACTIVE", 600)` ends when the server's status is ERROR, which it never leaves by itself ("No valid host
#        was found"), and tells so; and one answer of 503 among the looks is looked past.
# Fact:  it compares with the wished status and with nothing else: a create that failed after a second is waited for ten minutes, once a second,
#        and then said to have timed out. But a single 503 ends the wait with an error, though the server goes on to be made.
# Seen (a wait of 5 s):
#        BUILD, ACTIVE: 2 looks, error <nil>
#        BUILD, ERROR: at least 4 looks, error A timeout occurred
#        503, ACTIVE: 1 look, error 503
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
command -v go >/dev/null || apt-get install -qq -y --no-install-recommends golang-go
apt-get download -qq golang-github-gophercloud-gophercloud-dev=0.12.0-1 2>/dev/null
dpkg-deb --extract golang-github-gophercloud-gophercloud-dev_*.deb root
mkdir seen
cat >seen/main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
)

func main() {
	looks := 0
	var statuses []string
	cloud := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		status := statuses[len(statuses)-1]
		if looks < len(statuses) {
			status = statuses[looks]
		}
		looks++
		if status == "503" {
			answer.WriteHeader(503)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(answer, `{"server":{"id":"a","name":"a","status":"%s"}}`, status)
	}))
	client := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: "t"}, Endpoint: cloud.URL + "/"}
	for _, statuses = range [][]string{{"BUILD", "ACTIVE"}, {"BUILD", "ERROR"}, {"503", "ACTIVE"}} {
		looks = 0
		err := servers.WaitForStatus(client, "a", "ACTIVE", 5)
		count := fmt.Sprintf("%d looks", looks)
		if looks == 1 {
			count = "1 look"
		} else if looks >= 4 {
			count = "at least 4 looks"
		}
		told := fmt.Sprint(err)
		if _, is := err.(gophercloud.ErrDefault503); is {
			told = "503"
		}
		fmt.Printf("%s, %s: %s, error %s\n", statuses[0], statuses[1], count, told)
	}
}
GO
output=$(GOPATH="$folder/root/usr/share/gocode" GOCACHE="$folder/cache" GO111MODULE=off GOFLAGS='' go run ./seen)
echo "$output"
echo "$output" | grep -q '^BUILD, ACTIVE: 2 looks, error <nil>$'
echo "$output" | grep -q '^BUILD, ERROR: at least 4 looks, error A timeout occurred$'
echo "$output" | grep -q '^503, ACTIVE: 1 look, error 503$'
echo "as stated"
