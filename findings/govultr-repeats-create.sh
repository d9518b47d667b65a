#!/bin/sh
# govultr 2.17.2, Vultr's own client for Go (Debian 12: golang-github-vultr-govultr-dev 2.17.2-2, with go-retryablehttp 0.7.1), seen on 2026-11-29.
# Guess: a create, which has no idempotency key at Vultr, is sent once; when its answer is an error or is lost, the caller hears so, and looks.
# Fact:  it is sent up to four times, unasked, after any 5xx and after a connection that ended without an answer: each that was carried out
#        all the same is another instance, billed. The caller gets one of them and no error, and knows nothing of the others.
#        `SetRetryLimit(0)` switches it off.
# Seen:  status 500: 3 instances made, the caller was told of 1, error <nil>
#        status 504: 3 instances made, the caller was told of 1, error <nil>
#        no answer: 3 instances made, the caller was told of 1, error <nil>
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
command -v go >/dev/null || apt-get install -qq -y --no-install-recommends golang-go
apt-get download -qq golang-github-vultr-govultr-dev=2.17.2-2 golang-github-hashicorp-go-retryablehttp-dev=0.7.1-1 \
	golang-github-hashicorp-go-cleanhttp-dev=0.5.2-1 golang-github-google-go-querystring-dev=1.1.0-2 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
mkdir seen
cat >seen/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/vultr/govultr"
)

func main() {
	for _, trouble := range []struct {
		name   string
		status int
	}{{"status 500", 500}, {"status 504", 504}, {"no answer", 0}} {
		made := 0
		server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			made++ // It is made, whatever becomes of the answer.
			if made < 3 && trouble.status == 0 {
				connection, _, _ := answer.(http.Hijacker).Hijack()
				connection.Close()
				return
			}
			answer.Header().Set("Content-Type", "application/json")
			if made < 3 {
				answer.WriteHeader(trouble.status)
				fmt.Fprintf(answer, `{"error":"Server error.","status":%d}`, trouble.status)
				return
			}
			answer.WriteHeader(202)
			fmt.Fprintf(answer, `{"instance":{"id":"instance-%d"}}`, made)
		}))
		client := govultr.NewClient(nil)
		client.SetBaseURL(server.URL)
		instance, err := client.Instance.Create(context.Background(), &govultr.InstanceCreateReq{Region: "ewr", Plan: "vc2-1c-1gb", OsID: 2284})
		told := 0
		if instance != nil {
			told = 1
		}
		fmt.Printf("%s: %d instances made, the caller was told of %d, error %v\n", trouble.name, made, told, err)
		server.Close()
	}
}
GO
output=$(GOPATH="$folder/root/usr/share/gocode" GOCACHE="$folder/cache" GO111MODULE=off GOFLAGS='' go run ./seen)
echo "$output"
test "$(echo "$output" | grep -c ': 3 instances made, the caller was told of 1, error <nil>$')" = 3
echo "as stated"
