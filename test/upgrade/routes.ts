/** Every route that shows what a deployment holds, of these endpoints and proxies. */
export function routesOf(endpoints: readonly string[], addresses: readonly string[]): readonly string[] {
	const instances = endpoints.map((name) => {
		const [, cloud, account] = /^(digitalocean|hetzner|vultr)-(default)$/.exec(name) ?? [];
		return cloud === undefined ? `digitalocean/${name}` : `${cloud}/${account}`;
	});
	const ofEndpoint = ["", "/state", "/ips", "/log", "/metrics", "/instances", "/sessions", "/metadata"];
	return [
		...["/?limit=100", "/destroy", "/restart", "/providers", "/rolling", "/auth", "/health"],
		...["/providers/digitalocean", "/providers/hetzner", "/rolling/digitalocean", "/rolling/hetzner"],
		...instances.flatMap((instance) => [`/providers/${instance}`, `/rolling/${instance}`]),
		...[
			"/v1.1",
			"/v1.1/url",
			"/v1.1/info",
			"/v1.1/endpoints",
			"/v1.1/managers/configs",
			"/v1.1/managers/configs/ruled",
			"/v1.1/managers/active",
		],
		...endpoints.flatMap((name) => ofEndpoint.map((path) => `/v1.1/endpoints/${name}${path}`)),
		...endpoints.map((name) => `/v1.1/managers/log/${name}`),
		...["/v1.1/endpoints/also-ruled", "/v1.1/endpoints/ruled/metadata/owner", "/v1.1/endpoints/digitalocean-default/metadata/note"],
		...addresses.map((address) => `/v1.1/endpoints/digitalocean-default/metrics/${address}`),
	];
}
