#!/bin/sh
# godo 1.37.0, DigitalOcean's own client for Go (Debian 12: golang-github-digitalocean-godo-dev 1.37.0-2), seen on 2026-11-30.
# Guess: `util.WaitForActive(ctx, client, uri)` returns nil when the droplet is active, and the context's error when its deadline comes first.
# Fact:  it returns nil then too, where the deadline comes while it pauses between two looks, which is nearly all of the time (5 s each). The caller goes
#        on as if the droplet were up. Only one that ends amid a request is told. `ctx.Err()` has to be asked after it.
# Seen:  done: error <nil>, context <nil>, last status completed
#        deadline: error <nil>, context context deadline exceeded, last status in-progress
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
command -v go >/dev/null || apt-get install -qq -y --no-install-recommends golang-go
apt-get download -qq golang-github-digitalocean-godo-dev=1.37.0-2 golang-github-google-go-querystring-dev=1.1.0-2 golang-golang-x-oauth2-dev=0.3.0-1 \
	golang-golang-x-net-dev=1:0.7.0+dfsg-1 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
mkdir seen
cat >seen/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/digitalocean/godo"
	"github.com/digitalocean/godo/util"
)

func main() {
	status := ""
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(answer, `{"action":{"id":1,"type":"create","status":"%s"}}`, status)
	}))
	client := godo.NewClient(nil)
	client.BaseURL, _ = url.Parse(server.URL + "/")
	for _, round := range []struct{ name, status string }{{"done", "completed"}, {"deadline", "in-progress"}} {
		status = round.status
		limited, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := util.WaitForActive(limited, client, server.URL+"/v2/actions/1")
		fmt.Printf("%s: error %v, context %v, last status %s\n", round.name, err, limited.Err(), status)
		cancel()
	}
}
GO
output=$(GOPATH="$folder/root/usr/share/gocode" GOCACHE="$folder/cache" GO111MODULE=off GOFLAGS='' go run ./seen)
echo "$output"
echo "$output" | grep -q '^done: error <nil>, context <nil>, last status completed$'
echo "$output" | grep -q '^deadline: error <nil>, context context deadline exceeded, last status in-progress$'
echo "as stated"
