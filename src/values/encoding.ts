/** What a URL cannot hold as it is: all but RFC 3986's unreserved characters. */
const TO_ENCODE = /[^A-Za-z0-9._~-]/;

/** A sentence for each of the proxies' credentials that a URL cannot hold as they are. They work, but whoever writes such a URL by hand gets it wrong. */
export function encodingWarnings(settings: { readonly PROXY_USERNAME?: unknown; readonly PROXY_PASSWORD?: unknown }): readonly string[] {
	return (["PROXY_USERNAME", "PROXY_PASSWORD"] as const).flatMap((name) => {
		const text = settings[name];
		return typeof text !== "string" || !TO_ENCODE.test(text)
			? []
			: [
					`${name} has characters that must be percent-encoded in a proxy's URL: with letters, digits and -._~ alone it is the same everywhere (openssl rand -hex 16 makes such a password)`,
				];
	});
}
