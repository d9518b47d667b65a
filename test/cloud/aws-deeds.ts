import type { Account } from "./account.ts";
import { groupIn } from "./aws-groups.ts";
import { instance } from "./aws-instances.ts";
import { spotRequestTags } from "./aws-launch.ts";
import type { Deed, Resource } from "./aws-policy.ts";
import type { Tree } from "./aws-requests.ts";
import type { Labels } from "./labels.ts";

/** What a call does to what, for the policy of the key that asks. Ids and tags are looked up where the request names them. */
export function deedsOf(action: string, tree: { readonly [name: string]: Tree }, account: Account, region: string): readonly Deed[] {
	const ids = (name: string) => (Array.isArray(tree[name]) ? tree[name] : tree[name] === undefined ? [] : [tree[name]]).map(String);
	const about = (name: string, kind: string, tagsOf: (id: string) => Labels | null): Resource[] =>
		ids(name).map((id) => ({ name: `${kind}/${id}`, tags: tagsOf(id) }));
	const tagsOfInstance = (id: string) => instance(account, region, id)?.tags ?? null;
	if (action.startsWith("Describe") || action === "RunInstances" || action === "CreateSecurityGroup") {
		// Whoever makes something with tags must be allowed both.
		const tagging = { action: "CreateTags", region, resources: [], createAction: action };
		return [{ action, region, resources: [] }, ...(tree.TagSpecification === undefined ? [] : [tagging])];
	}
	const resources = [
		...about("InstanceId", "instance", tagsOfInstance),
		...about("ResourceId", "instance", tagsOfInstance),
		...about("GroupId", "security-group", (id) => groupIn(account, region, id)?.tags ?? null),
		...about("SpotInstanceRequestId", "spot-instances-request", (id) => spotRequestTags(account, id)),
	];
	return [{ action, region, resources }];
}
