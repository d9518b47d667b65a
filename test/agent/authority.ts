/** A certificate authority of a test's own. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Authority {
	/** Paths of PEM files. */
	readonly certificate: string;
	readonly serverKey: string;
	readonly serverCertificate: string;
}

/** Makes a certificate authority that lives as long as the directory, and a certificate of its for this name and for 127.0.0.1. */
export function makeAuthority(directory: string, name: string): Authority {
	const path = (file: string) => join(directory, file);
	const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
	const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
	const authority = ["-x509", "-days", "2", "-subj", "/CN=Muster test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
	openssl("req", ...newKey, ...authority, "-keyout", path("ca.key"), "-out", path("ca.pem"));
	openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", path("server.key"), "-out", path("server.csr"));
	writeFileSync(path("extensions"), `subjectAltName=DNS:${name},IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`);
	const signing = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", path("extensions")];
	openssl("x509", "-req", "-in", path("server.csr"), ...signing, "-out", path("server.pem"));
	return {
		certificate: path("ca.pem"),
		serverKey: path("server.key"),
		serverCertificate: path("server.pem"),
	};
}
