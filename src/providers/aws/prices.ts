/**
 * On-demand prices of Linux instances, in US dollars an hour: https://aws.amazon.com/ec2/pricing/on-demand/. EC2 shows them to nobody by its own API, and
 * those of the Price List need another service, host and permission. Sizes of a family double in price with each step, so that its
 * smallest says all.
 */
export const AWS_PRICES_AS_OF = Date.UTC(2025, 8, 1);

/** By region: `t4g.nano`, `t3a.nano`, `t3.nano`. */
const NANO: Readonly<Record<string, readonly [t4g: number, t3a: number, t3: number]>> = {
	"us-east-1": [0.0042, 0.0047, 0.0052],
	"us-east-2": [0.0042, 0.0047, 0.0052],
	"us-west-1": [0.005, 0.0056, 0.0062],
	"us-west-2": [0.0042, 0.0047, 0.0052],
	"ca-central-1": [0.0046, 0.0052, 0.0058],
	"eu-west-1": [0.0046, 0.0051, 0.0057],
	"eu-west-2": [0.0047, 0.0053, 0.0059],
	"eu-west-3": [0.0047, 0.0053, 0.0059],
	"eu-central-1": [0.0048, 0.0054, 0.006],
	"eu-north-1": [0.0043, 0.0049, 0.0054],
	"ap-south-1": [0.0028, 0.0031, 0.0056],
	"ap-southeast-1": [0.0053, 0.0059, 0.0066],
	"ap-southeast-2": [0.0053, 0.0059, 0.0066],
	"ap-northeast-1": [0.0054, 0.0061, 0.0068],
	"sa-east-1": [0.0067, 0.0076, 0.0084],
};
const FAMILIES = ["t4g", "t3a", "t3"];
const STEPS = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];

/** A public IPv4 address in use: https://aws.amazon.com/vpc/pricing/ */
const ADDRESS = 0.005;
/** The image's disk of 8 GB, gp3, where that is dear: https://aws.amazon.com/ebs/pricing/ */
const DISK = 0.001;

/** What an instance with its address and disk costs an hour; undefined: the table lacks it. Spot instances cost no more. */
export function awsHourly(region: string, size: string): number | undefined {
	const [family = "", step = ""] = size.split(".");
	const nano = NANO[region]?.[FAMILIES.indexOf(family)];
	const steps = STEPS.indexOf(step);
	return nano === undefined || steps < 0 ? undefined : nano * 2 ** steps + ADDRESS + DISK;
}
