/** Files that the bundler ships as text (the `Text` rule of wrangler.toml). */
declare module "*.py" {
	const text: string;
	export default text;
}
declare module "*.service" {
	const text: string;
	export default text;
}
