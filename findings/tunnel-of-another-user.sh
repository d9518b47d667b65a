#!/bin/sh
# Java 17's HttpClient, Apache HttpClient 4.5.14, OkHttp 3.13.1, Go 1.19.8, LWP 6.68 and Mojolicious 9.31 (Debian 12), seen on 2026-11-30.
# Guess: a client that keeps its connections, and is given other credentials for the same proxy with the next request, comes to an https:// site by a
#        tunnel that was asked for with those.
# Fact:  six ways of saying who asks do not count when a kept tunnel is chosen: the site is reached by the first user's, until that ends. Where a proxy
#        tells customers or sessions apart by the name (one name, one exit), the second leaves by the exit of the first, and is billed to it. Told by
#        the proxy's URL, Go keeps them apart; LWP and Mojo do not even then. For http:// sites each request carries its own.
# Seen (alice asks, then bob; the tunnels by which they came):
#        Java HttpClient, header Proxy-Authorization: alice, alice
#        Apache HttpClient, credentials of the context: alice, alice
#        OkHttp, proxyAuthenticator: alice, alice
#        Go, GetProxyConnectHeader: alice, alice
#        Go, proxy's URL: alice, bob
#        LWP with keep_alive, proxy's URL: alice, alice
#        Mojo, proxy's URL: alice, alice
set -eu
for pair in openssl:openssl javac:openjdk-17-jdk-headless go:golang-go node:nodejs; do
	command -v "${pair%%:*}" >/dev/null || apt-get install -qq -y --no-install-recommends "${pair#*:}"
done
perl -MLWP::Protocol::https -MMojo::UserAgent -MIO::Socket::SSL -e 1 2>/dev/null ||
	apt-get install -qq -y --no-install-recommends libwww-perl liblwp-protocol-https-perl libmojolicious-perl libio-socket-ssl-perl
folder=$(mktemp -d)
proxy=
trap '[ -z "$proxy" ] || kill $proxy; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq libhttpclient-java=4.5.14-1 libhttpcore-java=4.4.16-1 libcommons-logging-java=1.2-3 libokhttp-java=3.13.1-3 \
	libokio-java=1.16.0-2 2>/dev/null
for package in *.deb; do dpkg-deb --extract "$package" root; done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null
cat >proxy.cjs <<'JS'
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const users = new Map();
const identity = { key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") };
const site = require("node:https").createServer(identity, (request, answer) => {
	const user = users.get(request.socket.remotePort);
	answer.writeHead(200, { "content-length": user.length }).end(user); // By whose tunnel it came.
});
const proxy = require("node:http").createServer();
proxy.on("connect", (request, client) => {
	const [, secret] = (request.headers["proxy-authorization"] ?? "").split(" ");
	client.on("error", () => {});
	if (!secret) {
		client.end('HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
		return;
	}
	const out = require("node:net").connect(site.address().port, "127.0.0.1", () => {
		users.set(out.localPort, Buffer.from(secret, "base64").toString().split(":")[0]);
		client.write("HTTP/1.1 200 OK\r\n\r\n");
		out.pipe(client).pipe(out);
	});
	out.on("error", () => client.destroy());
	client.on("close", () => out.destroy());
});
site.listen(0, "127.0.0.1", () => {
	proxy.listen(0, "127.0.0.1", () => {
		writeFileSync("ports.new", `${proxy.address().port} ${site.address().port}\n`);
		renameSync("ports.new", "ports");
	});
});
setTimeout(() => process.exit(), 300_000);
JS
node proxy.cjs &
proxy=$!
while [ ! -e ports ]; do
	kill -0 $proxy
	sleep 0.1
done
read -r port site <ports
cat >Seen.java <<'JAVA'
import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.Credentials;
import okhttp3.OkHttpClient;
import org.apache.http.HttpHost;
import org.apache.http.auth.AuthScope;
import org.apache.http.auth.UsernamePasswordCredentials;
import org.apache.http.client.methods.HttpGet;
import org.apache.http.client.protocol.HttpClientContext;
import org.apache.http.impl.client.BasicCredentialsProvider;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

public class Seen {
	interface Way {
		String ask(String user) throws Exception;
	}

	static void show(String name, Way way) throws Exception {
		System.out.println(name + ": " + way.ask("alice") + ", " + way.ask("bob"));
	}

	static String user;

	public static void main(String[] ports) throws Exception {
		var proxy = new InetSocketAddress("127.0.0.1", Integer.parseInt(ports[0]));
		var url = "https://localhost:" + ports[1] + "/";
		var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
		trusted.load(null, null);
		trusted.setCertificateEntry("site", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream("certificate.pem")));
		var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		trust.init(trusted);
		var tls = SSLContext.getInstance("TLS");
		tls.init(null, trust.getTrustManagers(), null);

		var own = HttpClient.newBuilder().sslContext(tls).proxy(ProxySelector.of(proxy)).build();
		show("Java HttpClient, header Proxy-Authorization", user -> own.send(
			HttpRequest.newBuilder(URI.create(url)).header("Proxy-Authorization", Credentials.basic(user, "p")).build(),
			HttpResponse.BodyHandlers.ofString()).body());

		var apache = HttpClients.custom().setSSLContext(tls).setProxy(new HttpHost("127.0.0.1", proxy.getPort())).build();
		show("Apache HttpClient, credentials of the context", user -> {
			var credentials = new BasicCredentialsProvider();
			credentials.setCredentials(AuthScope.ANY, new UsernamePasswordCredentials(user, "p"));
			var context = HttpClientContext.create();
			context.setCredentialsProvider(credentials);
			try (var answer = apache.execute(new HttpGet(url), context)) {
				return EntityUtils.toString(answer.getEntity());
			}
		});

		var ok = new OkHttpClient.Builder().sslSocketFactory(tls.getSocketFactory(), (X509TrustManager) trust.getTrustManagers()[0])
			.proxy(new java.net.Proxy(java.net.Proxy.Type.HTTP, proxy))
			.proxyAuthenticator((route, answer) ->
				answer.request().newBuilder().header("Proxy-Authorization", Credentials.basic(Seen.user, "p")).build())
			.build();
		show("OkHttp, proxyAuthenticator", user -> {
			Seen.user = user;
			return ok.newCall(new okhttp3.Request.Builder().url(url).build()).execute().body().string();
		});
		System.exit(0);
	}
}
JAVA
cat >seen.go <<'GO'
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

type key struct{}

func main() {
	pem, _ := os.ReadFile("certificate.pem")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	trust := &tls.Config{RootCAs: pool}
	host := "127.0.0.1:" + os.Args[1]
	userOf := func(asked context.Context) string { return asked.Value(key{}).(string) }
	byHeader := &http.Transport{
		TLSClientConfig: trust,
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: host}),
		GetProxyConnectHeader: func(asked context.Context, _ *url.URL, _ string) (http.Header, error) {
			return http.Header{"Proxy-Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(userOf(asked)+":p"))}}, nil
		},
	}
	byURL := &http.Transport{
		TLSClientConfig: trust,
		Proxy: func(request *http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "http", Host: host, User: url.UserPassword(userOf(request.Context()), "p")}, nil
		},
	}
	for _, way := range []struct {
		name      string
		transport *http.Transport
	}{{"Go, GetProxyConnectHeader", byHeader}, {"Go, proxy's URL", byURL}} {
		seen := [2]string{}
		for i, user := range []string{"alice", "bob"} {
			asked := context.WithValue(context.Background(), key{}, user)
			request, _ := http.NewRequestWithContext(asked, "GET", "https://localhost:"+os.Args[2]+"/", nil)
			answer, err := way.transport.RoundTrip(request)
			if err != nil {
				seen[i] = err.Error()
				continue
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			seen[i] = string(body)
		}
		fmt.Printf("%s: %s, %s\n", way.name, seen[0], seen[1])
	}
}
GO
cat >seen.pl <<'PERL'
use strict;
use warnings;
use LWP::UserAgent;
use Mojo::UserAgent;
my ($port, $site) = @ARGV;
my $url = "https://localhost:$site/";
my $lwp = LWP::UserAgent->new(keep_alive => 5, ssl_opts => { SSL_ca_file => "certificate.pem" });
my $mojo = Mojo::UserAgent->new(ca => "certificate.pem");
my (@lwp, @mojo);
for my $user ("alice", "bob") {
	my $proxy = "http://$user:p\@127.0.0.1:$port";
	$lwp->proxy(https => $proxy);
	push @lwp, $lwp->get($url)->content;
	$mojo->proxy->https($proxy);
	push @mojo, $mojo->get($url)->result->body;
}
print "LWP with keep_alive, proxy's URL: ", join(", ", @lwp), "\n";
print "Mojo, proxy's URL: ", join(", ", @mojo), "\n";
PERL
jars=$(find root/usr/share/java -name '*.jar' | tr '\n' ':')
javac -cp "$jars" Seen.java
output=$(
	java -Djdk.http.auth.tunneling.disabledSchemes= -cp "$jars:." Seen "$port" "$site"
	GOCACHE="$folder/cache" GO111MODULE=off GOFLAGS='' go run seen.go "$port" "$site"
	perl seen.pl "$port" "$site"
)
echo "$output"
test "$(echo "$output" | grep -c ': alice, alice$')" = 6
echo "$output" | grep -q "^Go, proxy's URL: alice, bob\$"
echo "as stated"
