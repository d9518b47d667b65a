/** What the Worker of the recording was told, and the one of the test is. Nothing here opens anything outside of the tests. */
export const SETTINGS = {
	PUBLIC_URL: "https://muster.test",
	PROXY_USERNAME: "user",
	PROXY_PASSWORD: "pass",
	ALLOW_ANONYMOUS: "True",
	ENCRYPTION_KEY: "the-encryption-key-of-the-tests",
	MAX_HOURLY_COST: "1 USD, 0.5 EUR",
	DIGITALOCEAN_ENABLED: "True",
	DIGITALOCEAN_ACCESS_TOKEN: "local-upgrade",
	DIGITALOCEAN_API_URL: "http://cloud.test/digitalocean",
	DIGITALOCEAN_MIN_SCALING: "8",
	DIGITALOCEAN_MAX_SCALING: "12",
	HETZNER_ENABLED: "True",
	HETZNER_ACCESS_TOKEN: "local-upgrade",
	HETZNER_API_URL: "http://cloud.test/hetzner",
	HETZNER_MIN_SCALING: "2",
	HETZNER_MAX_SCALING: "3",
	VULTR_ENABLED: "True",
	VULTR_API_TOKEN: "local-upgrade",
	VULTR_API_URL: "http://cloud.test/vultr",
	VULTR_MIN_SCALING: "1",
	VULTR_MAX_SCALING: "1",
};

/** What the recording's pool at Hetzner was told instead, some time after it was made. */
export const CHANGED_SETTINGS = { ONLY_HOST_IP: "True", HOST_IP: "192.0.2.1,2001:db8::/32", PROXY_PASSWORD: "another" };

/** The admin key that the recording's operator set through the API. */
export const ADMIN_KEY = "the-admin-key-of-the-upgrade-tests";

/** The key of the recording's endpoint `ruled`, which knows only its hash. */
export const ENDPOINT_KEY = "the-key-of-the-endpoint";

/** A pool's id names the namespace that it is of: with another key of the namespace, the recorded ids would name nothing. */
export const NAMESPACE_KEY = "muster-Pool";
export const POOL_NAMESPACE = { durableObjects: { POOL: { className: "Pool", useSQLite: true, unsafeUniqueKey: NAMESPACE_KEY } } };
