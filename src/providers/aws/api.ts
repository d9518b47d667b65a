import { AwsV4Signer } from "aws4fetch";
import type { FailureKind } from "../../core/model/failure.ts";
import { type Fault, request } from "../base/http.ts";
import type { ProviderContext } from "../base/provider.ts";
import { Xml } from "./xml.ts";

/**
 * One call of EC2's query API: a signed form in, XML out
 * (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html).
 */
const API_VERSION = "2016-11-15";

export interface Ec2Access {
	readonly access_key_id: string;
	readonly secret_access_key: string;
	readonly region: string;
	/** Null: the region's own endpoint. */
	readonly api_url: string | null;
}

/** Parameters as the query API names them; a list is `Name.1`, `Name.2`, a structure `Name.Field`. */
export type Parameters = { readonly [name: string]: string | number | boolean | Parameters | readonly (string | Parameters)[] };

/** `call(action, parameters, read)`: {@link ec2} for one account. */
export type Call = <T>(action: string, parameters: Parameters, read: (answer: Xml) => T) => Promise<T>;

/** As the query API takes filters. */
export function filters(wanted: Readonly<Record<string, string | readonly string[]>>): { readonly Filter: readonly Parameters[] } {
	return { Filter: Object.entries(wanted).map(([name, value]) => ({ Name: name, Value: typeof value === "string" ? [value] : value })) };
}

/**
 * Makes the call and gives what `read` makes of its answer's root element; throws as `request` does. `Describe…` calls only read.
 * @param confidential texts that no error may quote (user data).
 */
export async function ec2<T>(
	context: ProviderContext,
	access: Ec2Access,
	action: string,
	parameters: Parameters,
	read: (answer: Xml) => T,
	confidential: readonly string[] = [],
): Promise<T> {
	const { access_key_id, secret_access_key, region } = access;
	const baseUrl = access.api_url ?? endpointOf(region);
	const body = new URLSearchParams([["Action", action], ["Version", API_VERSION], ...flatten(parameters)]).toString();
	const signer = new AwsV4Signer({
		method: "POST",
		url: `${baseUrl}/`,
		headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
		body,
		accessKeyId: access_key_id,
		secretAccessKey: secret_access_key,
		service: "ec2",
		region,
		datetime: new Date(context.now()).toISOString().replace(/[:-]|\.\d{3}/g, ""),
	});
	const signed = await signer.sign();
	return request(context, {
		provider: "AWS",
		baseUrl,
		path: "/",
		method: "POST",
		headers: Object.fromEntries(signed.headers as Headers),
		body,
		reads: action.startsWith("Describe"),
		read: (text) => read(answerOf(action, text)),
		secrets: [secret_access_key, access_key_id],
		confidential,
		fault,
	});
}

/** https://docs.aws.amazon.com/general/latest/gr/ec2-service.html; China's regions have a domain of their own. */
export function endpointOf(region: string): string {
	return `https://ec2.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

function flatten(parameters: Parameters, prefix = ""): [string, string][] {
	return Object.entries(parameters).flatMap(([name, value]): [string, string][] => {
		const key = prefix + name;
		if (Array.isArray(value)) {
			const items = Object.fromEntries((value as readonly (string | Parameters)[]).map((item, index) => [String(index + 1), item]));
			return flatten(items, `${key}.`);
		}
		return typeof value === "object" ? flatten(value as Parameters, `${key}.`) : [[key, String(value)]];
	});
}

function answerOf(action: string, text: string): Xml {
	const root = Xml.parse(text);
	if (root.name !== `${action}Response`) throw new Error(`the answer is a ${root.name}`);
	return root;
}

/**
 * What a code means where its status does not tell: EC2 answers want of capacity with 500 and throttling with 503.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
const KINDS: readonly (readonly [RegExp, FailureKind])[] = [
	[/^(RequestLimitExceeded|(EC2)?Throttl\w*|RequestThrottled\w*|TooManyRequests\w*)$/, "rate"],
	[
		/^(AuthFailure|UnauthorizedOperation|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|IncompleteSignature)$/,
		"auth",
	],
	[/^(MissingAuthenticationToken|PendingVerification|OptInRequired|Blocked|ExpiredToken\w*|AccessDenied\w*)$/, "auth"],
	// The signature's time is too far from theirs: ours was held up on its way.
	[/^RequestExpired$/, "transient"],
	[/(LimitExceeded|CountExceeded)$/, "quota"],
	[/^(Insufficient\w+|Unsupported|UnfulfillableCapacity|SpotMaxPriceTooLow)$/, "capacity"],
	[/^(IdempotentParameterMismatch|IdempotentInstanceTerminated|Incorrect\w*State|\w+\.Duplicate|ConcurrentTagAccess)$/, "conflict"],
	// Whatever else names the image is a setting that is wrong.
	[/^InvalidAMIID\./, "invalid"],
	[/\.NotFound$/, "notFound"],
];

function fault({ text }: { text: string }): Fault {
	let error: Xml | null;
	try {
		error = Xml.parse(text).at("Errors", "Error");
	} catch {
		return { message: null, kind: null }; // a gateway's page: its status is all that it says
	}
	const code = error?.text("Code")?.replace(/^(Client|Server)\./, "") ?? null;
	if (code === null) return { message: null, kind: null };
	const kind = KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? null;
	return { message: `${code}: ${error?.text("Message") ?? ""}`, kind, code };
}
