/** Text as the base64 of its UTF-8 bytes. */
export function base64(text: string): string {
	return ofBytes(new TextEncoder().encode(text));
}

/** Bytes in the alphabet of URLs, without padding (RFC 7515, section 2). */
export function base64Url(bytes: Uint8Array): string {
	return ofBytes(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function ofBytes(bytes: Uint8Array): string {
	return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
