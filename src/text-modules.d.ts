/** Files that the bundler ships as text (the `Text` rule of wrangler.toml). */
declare module "*.txt" {
	const text: string;
	export default text;
}
declare module "*.service" {
	const text: string;
	export default text;
}
