#!/bin/sh
# hcloud-go 1.35.3, Hetzner's own client for Go (Debian 12: golang-github-hetznercloud-hcloud-go-dev 1.35.3-1), seen on 2026-11-30.
# Guess: a call that Hetzner answers with 409 `conflict` is tried again some times, then the caller hears of it; at the context's deadline it ends.
# Fact:  it is tried again without any end, after waits that double without any end (0.5 s, 1, 2, 4, …: the twelfth is 17 minutes), and a wait is slept
#        through: the deadline is heard only when the next request is to be sent. Without one the call never returns. `WithBackoffFunc` bounds the
#        waits, nothing the tries.
# Seen:  waits of 1 ms, deadline of 1 s: more than 100 tries, deadline exceeded
#        waits as they are, deadline of 4 s: 4 tries, deadline exceeded after 7.5 s
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
command -v go >/dev/null || apt-get install -qq -y --no-install-recommends golang-go
apt-get install -qq -y --no-install-recommends golang-github-hetznercloud-hcloud-go-dev=1.35.3-1 \
	golang-github-prometheus-client-golang-dev golang-golang-x-net-dev >/dev/null 2>&1
mkdir seen
cat >seen/main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hetznercloud/hcloud-go/hcloud"
)

func main() {
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		tries++
		answer.Header().Set("Content-Type", "application/json")
		answer.WriteHeader(409)
		fmt.Fprint(answer, `{"error":{"code":"conflict","message":"The resource has changed during the request, please retry"}}`)
	}))
	ask := func(deadline time.Duration, options ...hcloud.ClientOption) (int, bool, time.Duration) {
		tries = 0
		options = append(options, hcloud.WithEndpoint(server.URL), hcloud.WithToken("t"))
		limited, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		begun := time.Now()
		_, err := hcloud.NewClient(options...).Server.Delete(limited, &hcloud.Server{ID: 1})
		return tries, errors.Is(err, context.DeadlineExceeded), time.Since(begun)
	}
	made, exceeded, _ := ask(time.Second, hcloud.WithBackoffFunc(hcloud.ConstantBackoff(time.Millisecond)))
	if made > 100 && exceeded {
		fmt.Println("waits of 1 ms, deadline of 1 s: more than 100 tries, deadline exceeded")
	}
	made, exceeded, took := ask(4 * time.Second)
	if exceeded {
		fmt.Printf("waits as they are, deadline of 4 s: %d tries, deadline exceeded after %.1f s\n", made, took.Seconds())
	}
}
GO
output=$(GOPATH=/usr/share/gocode GOCACHE="$folder/cache" GO111MODULE=off GOFLAGS='' go run ./seen)
echo "$output"
echo "$output" | grep -q '^waits of 1 ms, deadline of 1 s: more than 100 tries, deadline exceeded$'
echo "$output" | grep -q '^waits as they are, deadline of 4 s: 4 tries, deadline exceeded after 7\.[5-9] s$'
echo "as stated"
