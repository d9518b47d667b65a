import { countriesBy } from "../base/countries.ts";

/**
 * https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, read in November 2026. A zone is its region and a letter
 * (`us-east-1a`); a local one its region, its city and its number (`us-east-1-bos-1a`), and may be in another country: it is not known here.
 */
export const countries = countriesBy(
	{
		ae: "me-central-1",
		au: "ap-southeast-2 ap-southeast-4",
		bh: "me-south-1",
		br: "sa-east-1",
		ca: "ca-central-1 ca-west-1",
		ch: "eu-central-2",
		cn: "cn-north-1 cn-northwest-1",
		de: "eu-central-1 eusc-de-east-1",
		es: "eu-south-2",
		fr: "eu-west-3",
		gb: "eu-west-2",
		hk: "ap-east-1",
		id: "ap-southeast-3",
		ie: "eu-west-1",
		il: "il-central-1",
		in: "ap-south-1 ap-south-2",
		it: "eu-south-1",
		jp: "ap-northeast-1 ap-northeast-3",
		kr: "ap-northeast-2",
		mx: "mx-central-1",
		my: "ap-southeast-5",
		nz: "ap-southeast-6",
		se: "eu-north-1",
		sg: "ap-southeast-1",
		th: "ap-southeast-7",
		tw: "ap-east-2",
		us: "us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1",
		za: "af-south-1",
	},
	(zone) => zone.replace(/(\d)[a-z]$/, "$1"),
);
