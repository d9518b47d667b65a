// What stands for "js-yaml" in the Worker's bundle (`alias` in wrangler.toml): chanfana would write its document in YAML with it, which is not served.
export default {
	dump() {
		throw new Error("js-yaml is not in the bundle");
	},
};
