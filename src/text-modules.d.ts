/** Files that the bundler ships as text (the `Text` rule of wrangler.jsonc). */
declare module "*.py" {
	const text: string;
	export default text;
}
declare module "*.service" {
	const text: string;
	export default text;
}
