/**
 * Seeds that fail without a certain mend, and what they showed. When the dealing of scenarios changes, a seed stands for another run:
 * what a line tells is then still kept by its planted bug in bugs/ and by a test of its own in test/unit/core.
 */
export const CORPUS: readonly { readonly seed: number; readonly story: string; readonly hours?: number }[] = [
	{ seed: 3, story: "a delete that was stuck for ten minutes kept its pool busy without end" },
	{ seed: 5, story: "one that was being deleted took another kept proxy with it" },
	{ seed: 9, story: "a pool that was removed while a setting was bad kept its VMs for ever" },
	{ seed: 16, story: "a VM seen off once, on its way through a restart, was deleted" },
	{ seed: 30, story: "a replayed registration took the place of the first claim" },
	{ seed: 126, story: "a pool came back after D1 had forgotten it without being heard" },
	{ seed: 231, story: "an orphan was forgotten since one list lacked it" },
	{ seed: 245, story: "creates that were accepted and failed later were repeated without end" },
	{ seed: 453, story: "a VM came into being 26 s after its create was sent, and was found too late to be believed" },
	{ seed: 1947, story: "an agent registered again and again, and was probed each time" },
	{ seed: 2485, story: "a thief of tokens and a cloud that makes two VMs of one create" },
	{ seed: 105257, story: "a clock that was set forward by a second while a removal from the ready list was still fresh" },
	{ seed: 107106, story: "a draining proxy was probed every few seconds while its pool was suspended" },
	{ seed: 110346, story: "a pool was forgotten on the word of one list, which was empty by mistake" },
	{ seed: 112255, story: "D1 forgot a pool without being heard, and then its alarm was lost" },
	{ seed: 208924, story: "a spare proxy was taken back and let go by turns, a hundred times a second, while a rolling batch was full" },
	{ seed: 2001427, hours: 8, story: "a bound was lowered while D1 did not answer, and a place that became free was used again" },
	{ seed: 2001563, hours: 8, story: "an instance that forgot what it had shown left sessions of a proxy that was gone in D1" },
	{ seed: 2002021, hours: 8, story: "a pool that was to leave its VMs running deleted one that had been drained" },
	{ seed: 2005515, hours: 8, story: "two proxies of one address, one after the other, were counted as one that reports" },
	{ seed: 2014232, hours: 8, story: "a VM that was just being let go was taken for an orphan" },
	{ seed: 3034870, hours: 8, story: "an association that came to nothing took another pool's tags off its VM" },
	{ seed: 3059493, hours: 8, story: "a registration was believed of a VM that was being let go" },
	{ seed: 3072631, hours: 8, story: "a pool that was being removed wrote old addresses into the firewall that it shares" },
	{ seed: 3083738, hours: 8, story: "unhealthy proxies left no room for their replacements, for ever" },
	{
		seed: 1883,
		hours: 12,
		story: "a VM that was up was deleted, each hour anew, since an early find had not seen it and no list could be asked for",
	},
];
