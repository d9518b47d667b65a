import { join } from "node:path";
import { CACHE, type Client, debian, type Errand, PYTHON, program, quoted, variables } from "../client.ts";
import { trusting } from "./packages.ts";

const login = ({ proxy }: Errand) => `${proxy.username}:${proxy.password}`;
const header = (errand: Errand) => `Basic ${Buffer.from(login(errand)).toString("base64")}`;
/** As a string of Perl or PHP that nothing in it changes. */
const single = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;

const java = (errand: Errand, kind: string) => {
	const { proxy, url, authority } = errand;
	const options = [
		// By default Java sends no Basic credentials for a tunnel.
		"-Djdk.http.auth.tunneling.disabledSchemes=",
		"-Djavax.net.ssl.trustStore=trusted.p12",
		"-Djavax.net.ssl.trustStorePassword=changeit",
	];
	return {
		argv: trusting(authority, [
			"java",
			...options,
			"Fetch.java",
			kind,
			url,
			proxy.host,
			String(proxy.port),
			proxy.username,
			proxy.password,
		]),
		files: { "Fetch.java": program("Fetch.java") },
	};
};

/** The clients that programming languages bring, or that most of their programs use. */
export const LANGUAGES: readonly Client[] = [
	{
		name: "Java HttpClient",
		packages: "default-jdk-headless",
		version: ["javac", "--version"],
		configure: "HttpClient.newBuilder().proxy(…).authenticator(…), with -Djdk.http.auth.tunneling.disabledSchemes=",
		protocols: ["http", "https"],
		isOfTheDozen: true,
		command: (errand) => java(errand, "client"),
	},
	{
		name: "Java URLConnection",
		packages: "default-jdk-headless",
		version: ["javac", "--version"],
		configure: "url.openConnection(new Proxy(…)) and Authenticator.setDefault(…), with -Djdk.http.auth.tunneling.disabledSchemes=",
		protocols: ["http", "https", "socks5"],
		command: (errand) => java(errand, errand.protocol === "socks5" ? "socks" : "connection"),
	},
	{
		name: "Go",
		packages: "golang-go",
		version: ["go", "version"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port, or http.Transport{Proxy: http.ProxyURL(proxy)}; socks5://",
		protocols: ["http", "https", "socks5"],
		isOfTheDozen: true,
		command: ({ proxy, url, authority, protocol }) => ({
			argv: ["go", "run", "fetch.go", url, protocol === "socks5" ? proxy.socksUrl.replace("socks5h:", "socks5:") : proxy.url, authority],
			// What it built is kept: the first time takes a minute.
			env: { GO111MODULE: "off", GOTOOLCHAIN: "local", GOCACHE: join(CACHE, "go") },
			files: { "fetch.go": program("fetch.go") },
		}),
	},
	{
		name: "Ruby Net::HTTP",
		packages: "ruby",
		version: ["ruby", "--version"],
		configure: "Net::HTTP.start(host, port, proxy_host, proxy_port, username, password)",
		protocols: ["http", "https"],
		resolvesItself: true,
		command: (errand) => ({
			argv: [
				"ruby",
				"-rnet/http",
				"-e",
				`url = URI(ARGV[0])
Net::HTTP.start(url.host, url.port, ARGV[1], ARGV[2].to_i, ARGV[3], ARGV[4], use_ssl: url.scheme == "https", ca_file: ARGV[5]) { |http| puts http.get(url.path).body }`,
				...[errand.url, errand.proxy.host, String(errand.proxy.port), errand.proxy.username, errand.proxy.password, errand.authority],
			],
		}),
	},
	{
		name: "Ruby open-uri",
		packages: "ruby",
		version: ["ruby", "--version"],
		configure: "URI.open(url, proxy_http_basic_authentication: [proxy, username, password])",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [
				...["ruby", "-ropen-uri", "-e", "puts URI.open(ARGV[0], proxy_http_basic_authentication: ARGV[1, 3], ssl_ca_cert: ARGV[4]).read"],
				...[errand.url, `http://${errand.proxy.host}:${errand.proxy.port}`, errand.proxy.username, errand.proxy.password, errand.authority],
			],
		}),
	},
	{
		name: "Ruby open-uri by variable",
		packages: "ruby",
		version: ["ruby", "--version"],
		configure: "http_proxy=http://user:p%40ss%2Fw%3Ard@host:port",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: ["ruby", "-ropen-uri", "-e", "puts URI.open(ARGV[0], ssl_ca_cert: ARGV[1]).read", errand.url, errand.authority],
			env: variables(errand),
		}),
	},
	{
		name: "PHP curl",
		packages: "php-cli php-curl",
		version: ["php", "-r", "curl_version(); echo PHP_VERSION;"],
		configure: "curl_setopt($curl, CURLOPT_PROXY, $proxy)",
		protocols: ["http", "https", "socks5"],
		command: ({ proxy, authority, url }) => ({
			argv: [
				"php",
				"-r",
				`$curl = curl_init(${single(url)}); curl_setopt($curl, CURLOPT_PROXY, ${single(proxy.either)}); curl_setopt($curl, CURLOPT_CAINFO, ${single(authority)}); curl_exec($curl);`,
			],
		}),
	},
	{
		name: "PHP streams",
		packages: "php-cli",
		version: ["php", "-r", "echo PHP_VERSION;"],
		configure:
			"stream_context_create(['http' => ['proxy' => 'tcp://host:port', 'request_fulluri' => true, 'header' => 'Proxy-Authorization: Basic …']])",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [
				"php",
				"-r",
				`$http = ['proxy' => 'tcp://${errand.proxy.host}:${errand.proxy.port}', 'request_fulluri' => ${errand.protocol !== "https"}, 'header' => ${single(`Proxy-Authorization: ${header(errand)}`)}];
echo file_get_contents(${single(errand.url)}, false, stream_context_create(['http' => $http, 'ssl' => ['cafile' => ${single(errand.authority)}]]));`,
			],
		}),
	},
	{
		name: "Perl LWP",
		packages: "libwww-perl liblwp-protocol-https-perl",
		version: ["perl", "-MLWP", "-MLWP::Protocol::https", "-e", "print LWP->VERSION"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port, with $agent->env_proxy",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [
				"perl",
				"-MLWP::UserAgent",
				"-e",
				"my $agent = LWP::UserAgent->new(ssl_opts => { SSL_ca_file => $ARGV[1] }); $agent->env_proxy; print $agent->get($ARGV[0])->content",
				errand.url,
				errand.authority,
			],
			env: { http_proxy: errand.proxy.url, https_proxy: errand.proxy.url },
		}),
	},
	{
		name: "Perl HTTP::Tiny",
		packages: "perl libio-socket-ssl-perl",
		version: ["perl", "-MHTTP::Tiny", "-MIO::Socket::SSL", "-e", "print HTTP::Tiny->VERSION"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [
				"perl",
				"-MHTTP::Tiny",
				"-e",
				"print HTTP::Tiny->new(verify_SSL => 1, SSL_options => { SSL_ca_file => $ARGV[1] })->get($ARGV[0])->{content}",
				errand.url,
				errand.authority,
			],
			env: { http_proxy: errand.proxy.url, https_proxy: errand.proxy.url },
		}),
	},
	{
		name: "Perl Mojo",
		packages: "libmojolicious-perl libio-socket-ssl-perl",
		version: ["perl", "-MMojolicious", "-MIO::Socket::SSL", "-e", "print Mojolicious->VERSION"],
		configure: "https_proxy=http://user:p%40ss%2Fw%3Ard@host:port, with $ua->proxy->detect",
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [
				"perl",
				"-MMojo::UserAgent",
				"-e",
				"my $ua = Mojo::UserAgent->new(ca => $ARGV[1]); $ua->proxy->detect; print $ua->get($ARGV[0])->result->body",
				errand.url,
				errand.authority,
			],
			env: { http_proxy: errand.proxy.url, https_proxy: errand.proxy.url },
		}),
	},
	{
		name: "Tcl autoproxy",
		packages: "tcl tcllib tcl-tls",
		version: ["sh", "-c", "echo 'puts [package require autoproxy]' | tclsh"],
		configure: "http_proxy=http://user:p%40ss%2Fw%3Ard@host:port, with autoproxy::init",
		protocols: ["http"],
		command: (errand) => ({
			argv: ["tclsh", "fetch.tcl", errand.url],
			files: {
				"fetch.tcl":
					"package require http\npackage require autoproxy\nautoproxy::init\nputs [http::data [http::geturl [lindex $argv 0]]]\n",
			},
			env: { http_proxy: errand.proxy.url },
		}),
	},
	{
		name: "lua-http",
		packages: "lua5.2 lua-http lua-lpeg-patterns",
		version: debian("lua-http"),
		configure: "http_proxy=http://user:p%40ss%2Fw%3Ard@host:port",
		protocols: ["http"],
		command: (errand) => ({
			argv: ["lua5.2", "fetch.lua", errand.url],
			files: {
				"fetch.lua": 'local _, stream = assert(require("http.request").new_from_uri(arg[1]):go(20))\nprint(stream:get_body_as_string())\n',
			},
			env: { http_proxy: errand.proxy.url },
		}),
	},
	{
		name: "Erlang httpc",
		packages: "erlang-base erlang-inets erlang-ssl",
		version: debian("erlang-inets"),
		configure: "httpc:set_options([{proxy, {{Host, Port}, []}}, {https_proxy, …}]), then {proxy_auth, {User, Password}} as HTTP option",
		protocols: ["http", "https"],
		command: ({ proxy, url, authority }) => ({
			argv: [
				...["erl", "-noshell", "-eval"],
				`application:ensure_all_started(ssl), inets:start(), Place = {{${quoted(proxy.host)}, ${proxy.port}}, []},
httpc:set_options([{proxy, Place}, {https_proxy, Place}]),
Login = {proxy_auth, {${quoted(proxy.username)}, ${quoted(proxy.password)}}},
{ok, {_, _, Body}} = httpc:request(get, {${quoted(url)}, []}, [Login, {ssl, [{cacertfile, ${quoted(authority)}}]}], []),
io:format("~s", [Body]), halt().`,
			],
		}),
	},
	{
		name: "R",
		packages: "r-base-core",
		version: ["Rscript", "--version"],
		configure: 'https_proxy=http://user:p%40ss%2Fw%3Ard@host:port, with method = "libcurl"',
		protocols: ["http", "https"],
		command: (errand) => ({
			argv: [...["Rscript", "-e", 'download.file(commandArgs(TRUE)[1], "got", method = "libcurl", quiet = TRUE)', errand.url]],
			env: { ...variables(errand), CURL_CA_BUNDLE: errand.authority },
			output: "got",
		}),
	},
	{
		name: "Emacs",
		packages: "emacs-nox",
		version: ["emacs", "--version"],
		configure: "url-proxy-services, and url-http-proxy-basic-auth-storage",
		protocols: ["http", "https"],
		tellsOriginPassword: true,
		command: (errand) => {
			const place = `${errand.proxy.host}:${errand.proxy.port}`;
			const secret = Buffer.from(login(errand)).toString("base64");
			return {
				argv: ["emacs", "--batch", "-l", "fetch.el"],
				files: {
					"fetch.el": `(require 'url-http)
(setq url-proxy-services '(("http" . "${place}") ("https" . "${place}")))
(setq url-http-proxy-basic-auth-storage '(("${place}" ("Proxy" . "${secret}"))))
(setq gnutls-trustfiles '("${errand.authority}") network-security-level 'low)
(with-current-buffer (url-retrieve-synchronously "${errand.url}" t nil 20) (princ (buffer-string)))
`,
				},
			};
		},
	},
	{
		name: "libsoup",
		packages: "gir1.2-soup-3.0 python3-gi glib-networking",
		version: [
			PYTHON,
			"-c",
			'import gi; gi.require_version("Soup", "3.0"); from gi.repository import Soup as s; print(s.get_major_version(), s.get_minor_version(), s.get_micro_version(), sep=".")',
		],
		configure: "Gio.SimpleProxyResolver.new(proxy), set on the session",
		protocols: ["https"],
		tellsOriginPassword: true,
		command: (errand) => ({
			argv: [
				...[PYTHON, "-c"],
				`import gi; gi.require_version("Soup", "3.0"); from gi.repository import Gio, Soup
session = Soup.Session(proxy_resolver=Gio.SimpleProxyResolver.new(${quoted(errand.proxy.either)}, None), tls_database=Gio.TlsFileDatabase.new(${quoted(errand.authority)}))
print(session.send_and_read(Soup.Message.new("GET", ${quoted(errand.url)}), None).get_data())`,
			],
		}),
	},
];
