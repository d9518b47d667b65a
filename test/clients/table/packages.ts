import { type Client, PYTHON } from "../client.ts";

/** Programs that install packages; each looks one up. */
export const PACKAGE_MANAGERS: readonly Client[] = [
	{
		name: "apt",
		packages: "apt",
		version: ["apt-get", "--version"],
		configure: 'Acquire::http::Proxy "http://user:p%40ss%2Fw%3Ard@host:port"; in /etc/apt/apt.conf.d, and Acquire::https::Proxy',
		protocols: ["http", "https", "socks5"],
		tellsOriginPassword: true,
		command: ({ proxy, authority, url }) => ({
			argv: [
				"/usr/lib/apt/apt-helper",
				...["-o", `Acquire::http::Proxy=${proxy.either}`, "-o", `Acquire::https::Proxy=${proxy.either}`],
				...["-o", `Acquire::https::CAInfo=${authority}`, "-o", "APT::Sandbox::User=", "download-file", url, "got"],
			],
			output: "got",
		}),
	},
	{
		name: "pip",
		packages: "python3-pip",
		version: [PYTHON, "-m", "pip", "--version"],
		configure: "pip install --proxy http://user:p%40ss%2Fw%3Ard@host:port PACKAGE",
		protocols: ["http", "https"],
		isSilent: true,
		command: ({ proxy, authority, base, host }) => ({
			argv: [
				...[PYTHON, "-m", "pip", "--isolated", "--proxy", proxy.url, "--cert", authority, "--trusted-host", host],
				...["index", "versions", "--index-url", `${base}simple`, "muster-probe"],
			],
			env: { PIP_CONFIG_FILE: "/dev/null" },
		}),
	},
	{
		name: "npm",
		packages: "npm",
		version: ["npm", "--version"],
		configure: "npm config set https-proxy http://user:p%40ss%2Fw%3Ard@host:port, and proxy",
		protocols: ["http", "https"],
		command: ({ proxy, authority, base }) => ({
			argv: [
				...["npm", "view", "muster-probe", "description", `--registry=${base}npm`],
				...[`--proxy=${proxy.url}`, `--https-proxy=${proxy.url}`, `--cafile=${authority}`, "--fetch-retries=0"],
			],
		}),
	},
	{
		name: "cargo",
		packages: "cargo",
		version: ["cargo", "--version"],
		configure: "CARGO_HTTP_PROXY=http://user:p%40ss%2Fw%3Ard@host:port",
		protocols: ["http", "https"],
		command: ({ proxy, authority, base }) => ({
			argv: ["cargo", "search", "--registry", "probe", "muster-probe"],
			env: { CARGO_HTTP_PROXY: proxy.url, CARGO_HTTP_CAINFO: authority, CARGO_REGISTRIES_PROBE_INDEX: `sparse+${base}cargo/` },
		}),
	},
	{
		name: "Maven",
		packages: "maven",
		version: ["mvn", "--version"],
		configure: "<proxies><proxy><host/><port/><username/><password/></proxy></proxies> in settings.xml",
		protocols: ["http", "https"],
		isSilent: true,
		command: (errand) => {
			const { proxy, base, protocol } = errand;
			const proxies = ["http", "https"].map(
				(kind) =>
					`<proxy><id>${kind}</id><protocol>${kind}</protocol><host>${proxy.host}</host><port>${proxy.port}</port><username>${proxy.username}</username><password>${proxy.password}</password><nonProxyHosts/></proxy>`,
			);
			// Maven refuses http:// since 3.8.1 unless a mirror says otherwise.
			const mirror = "<mirror><id>maven-default-http-blocker</id><mirrorOf>nothing</mirrorOf><url>http://0.0.0.0/</url></mirror>";
			const repository = `<repositories><repository><id>probe</id><url>${base}maven</url></repository></repositories>`;
			const parent = "<parent><groupId>test.muster</groupId><artifactId>parent</artifactId><version>1</version><relativePath/></parent>";
			return {
				argv: trusting(errand.authority, [
					...["mvn", "-B", "-q", "-s", "settings.xml", "-Dmaven.repo.local=repository", "validate"],
					...(protocol === "https" ? ["-Djavax.net.ssl.trustStore=trusted.p12", "-Djavax.net.ssl.trustStorePassword=changeit"] : []),
				]),
				files: {
					"settings.xml": `<settings><proxies>${proxies.join("")}</proxies><mirrors>${mirror}</mirrors></settings>`,
					"pom.xml": `<project><modelVersion>4.0.0</modelVersion>${parent}<artifactId>child</artifactId><packaging>pom</packaging>${repository}</project>`,
				},
			};
		},
	},
];

/** Runs a program of Java's beside `trusted.p12`, in which the authority is. */
export function trusting(authority: string, argv: readonly string[]): string[] {
	const store = `keytool -importcert -noprompt -alias ca -file '${authority}' -keystore trusted.p12 -storepass changeit >/dev/null 2>&1`;
	return ["sh", "-c", `${store} && exec "$@"`, "sh", ...argv];
}
