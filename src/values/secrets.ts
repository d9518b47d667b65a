import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/**
 * Encryption of single secrets at rest: AES-256-GCM with a fresh 96-bit IV each (NIST SP 800-38D), its key derived with
 * HKDF-SHA-256 (RFC 5869) from one of the texts of ENCRYPTION_KEY. The first text encrypts, all of them decrypt, so that one can be
 * put in front and an old one be taken away once nothing rests on it any more.
 */

/** Which field of which pool a secret is: authenticated with it, so that a ciphertext works nowhere else. */
export interface Place {
	/** The pool's object, in hex. */
	readonly object: string;
	readonly section: string;
	readonly key: string;
}

const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Tells which text a secret was encrypted with; says nothing of the text itself. */
const ID_BYTES = 6;

interface DerivedKey {
	readonly id: string;
	readonly key: Uint8Array;
}

/** Derived once: the texts change only with a deploy. */
const derived = new Map<string, DerivedKey>();

function derive(text: string): DerivedKey {
	let known = derived.get(text);
	if (known === undefined) {
		const expand = (info: string, length: number) => new Uint8Array(hkdfSync("sha256", text, "muster", info, length));
		known = {
			id: Buffer.from(expand("id of a key for secrets", ID_BYTES)).toString("base64url"),
			key: expand("secrets at rest, aes-256-gcm", KEY_BYTES),
		};
		derived.set(text, known);
	}
	return known;
}

/** Encrypts with the first of `keys`, of which there must be one. The result is `<key id>.<IV, ciphertext and tag in base64url>`. */
export function seal(keys: readonly string[], place: Place, text: string): string {
	const [first] = keys;
	if (first === undefined) throw new Error("there is no key to encrypt with");
	const { id, key } = derive(first);
	const iv = randomBytes(IV_BYTES);
	const cipher = createCipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES });
	cipher.setAAD(associated(place));
	const sealed = Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
	return `${id}.${sealed.toString("base64url")}`;
}

/** The text, or null where none of the keys is the one that it was encrypted with, or it was made for another place or changed. */
export function unseal(keys: readonly string[], place: Place, sealed: string): string | null {
	const [id, data = ""] = sealed.split(".");
	const found = keys.map(derive).find((candidate) => candidate.id === id);
	const bytes = Buffer.from(data, "base64url");
	if (found === undefined || bytes.length < IV_BYTES + TAG_BYTES) return null;
	const decipher = createDecipheriv(ALGORITHM, found.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
	decipher.setAAD(associated(place));
	decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
	try {
		return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
	} catch {
		// The tag does not fit: that is the answer.
		return null;
	}
}

/** Whether it was encrypted with the first key, so that the others are not needed for it. */
export function isSealedWithFirst(keys: readonly string[], sealed: string): boolean {
	const [first] = keys;
	return first !== undefined && sealed.startsWith(`${derive(first).id}.`);
}

/** JSON, so that no two places have one spelling. */
function associated({ object, section, key }: Place): Uint8Array {
	return Buffer.from(JSON.stringify([object, section, key]), "utf8");
}
