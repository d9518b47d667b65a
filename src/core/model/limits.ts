/** Every limit of the core that is not a setting, with its reason. Milliseconds unless the name says otherwise. */

/** Probes that must fail in a row before a proxy counts as silent: one may be lost on the way. */
export const PROBES_TO_FAIL = 3;
/** Between the probes of a proxy that failed one; an interval's sixth where that is shorter. */
export const PROBE_RETRY_MS = 5_000;
/** Share of the ready proxies that is probed each interval, at least one: a proxy whose agent reports may still be unreachable. */
export const SAMPLE_SHARE = 0.02;
/** A heartbeat later than so many intervals raises suspicion. */
export const LATE_INTERVALS = 1.5;
/** Silence of an agent that takes its proxy off the list where the Worker cannot probe it. */
export const SILENT_INTERVALS = 3;
/** An agent's line shows life each 20 s, and is looked at each interval: so long after the last sign it is late. */
export const LINE_LATE_MS = 52_000;
/** All lines end at a deploy, and agents that are well are back so long after it. */
export const LINES_BACK_MS = 35_000;
/** Who may have been silent before it has no more than this from it: probes take 19 s to tell, and a VM that vanished is off the list within 90 s. */
export const FALL_GRACE_MS = 18_000;
/** So long a silence on its line takes a proxy off the list where the Worker cannot probe it. */
export const LINE_SILENT_MS = 80_000;
/** Between the probes of a proxy whose line broke: most likely its agent ended, and systemd starts it again within two seconds. */
export const DOUBT_PAUSE_MS = 700;
/** A deploy puts lateness off at most once in so long, so that who is silent is found however often that happens. */
export const FALL_SPACING_MS = LINE_SILENT_MS + 10_000;
/** How often an agent reports on its line where nothing changes and no rule goes by what it reports. */
export const IDLE_REPORT_SECONDS = 300;
/** Messages on lines that are billed as one request, and the share of the plan's daily requests that reports of a set pace may use. */
export const MESSAGES_A_REQUEST = 20;
export const LINE_SHARE = 0.25;
/** Between changes of the rise at which agents report: each is told to every line, and acknowledged. */
export const RISE_SPACING_MS = 10 * 60_000;
/** The pace changes in steps of so many seconds: each change is told to every line, and acknowledged. */
export const PACE_STEP_SECONDS = 30;
/** Boots in a row that never became ready open the boots breaker. */
export const BOOTS_TO_OPEN = 3;
/** Isolates may go on handing a proxy out for so long after its removal was published: the staleness that the documentation states. */
export const READY_STALENESS_MS = 1_000;
/** So long they keep what they read: what is stated has room for D1's answer in it, and a drained proxy may refuse clients well within it. */
export const READY_KEPT_MS = 500;
/** For so long a drained proxy goes on taking clients after that: they may just be on their way to it. */
export const DRAIN_MARGIN_MS = 100;
/** A drained proxy goes after so long even where its removal cannot be published. */
export const UNPUBLISHED_DRAIN_MS = 30_000;
/** After a delete was tried for so long without being accepted, its VM counts against surge only, and shows in `/health`. */
export const STUCK_DELETE_MS = 10 * 60_000;
/** The longest that a create call may take; a VM can come into being so long after its create was sent. */
export const CREATE_DEADLINE_MS = 30_000;
/** A mutating call whose result never came (eviction) is planned again after so long. */
export const LOST_RESULT_MS = 60_000;
/** A proxy that was deleted is first looked for so long after the provider accepted the delete. */
export const LOOK_AFTER_DELETE_MS = 1_000;
/** A VM tagged for the pool that no intent explains is deleted once two lists so far apart show it. */
export const ORPHAN_MS = 10 * 60_000;
/** Whole lists in a row without a VM of it that a removed pool is forgotten after: one may be wrong, and then nobody looks again. */
export const LOOKS_TO_FORGET = 2;
/** A VM that is associated is let go again when its tags could not be put on for so long. */
export const ADOPT_LIMIT_MS = 120_000;
/** VMs that were let go and are remembered as such: a list that still shows their tags is never so late as to miss the last of these. */
export const KEPT_RELEASED = 1_000;
export const RELEASED_BYTES = 150_000;
/** Orphans that are remembered: they are deleted ten minutes later, and others of a list take their places. */
export const KEPT_ORPHANS = 1_000;
export const ORPHAN_BYTES = 200_000;
/** Characters of a VM's id: the longest is Azure's, a path with three names. */
export const MOST_VM_CHARS = 400;
/** A confirmation of an address that no VM is known to have yet is remembered for so long, and so many of them. */
export const CONFIRMATION_MS = 10 * 60_000;
export const KEPT_CONFIRMATIONS = 100;
export const CONFIRMATION_BYTES = 20_000;
/** Static backends that are probed in one interval at the most: with more of them, each is probed the less often. */
export const STATICS_AN_INTERVAL = 150;
/** Of those that are due a plan names so many: a pass makes no more calls, and plans again after each. */
export const STATICS_A_PLAN = 40;
/** A breaker that opens for no longer is shown without the moment: what is shown does not change each time. */
export const SOON_MS = 60_000;
/** A failure that repeats renews its entry of the log so often at the most. */
export const RENEW_MS = 10 * 60_000;
/** After so long, or so many other entries, it gets one of its own again. */
export const REPEAT_MS = 24 * 3_600_000;
export const REPEAT_ENTRIES = 100;
/** Failures that are watched for repeating. */
export const KEPT_REPEATS = 20;
/** Characters of an entry that is posted to the log. */
export const MOST_LOG_CHARS = 1_000;
/** Sessions that are known of one proxy: what a report holds. */
export const MOST_SESSIONS = 1_000;
/** An order to drop a session is told for so many heartbeat intervals: by then whoever has it has reported, or is silent. */
export const DROP_INTERVALS = 2;
/** Orders to drop a session that are kept; the oldest go first. */
export const KEPT_DROPS = 1_000;
export const DROP_BYTES = 150_000;
/** Sites of which outcomes are known, and bans of proxies by sites: what readers read of them with each list is 300 KB at the most. */
export const MOST_HOSTS = 2_000;
export const MOST_BANNED_PAIRS = 10_000;
/** How often a pool with nothing in motion lists its provider. */
export const IDLE_LIST_MS = 5 * 60_000;
/** Between lists at the least, however much there is to learn. */
export const LIST_SPACING_MS = 1_000;
export const DAY_SECONDS = 86_400;
/** Share of its plan's daily requests that a deployment's heartbeats may use. */
export const HEARTBEAT_SHARE = 0.5;
/** A part of the deployment's budget that is not needed goes back after so long. */
export const ALLOTMENT_RETURN_MS = 60_000;
/** How often a pool asks what a VM costs: clouds announce changes of prices long before. */
export const PRICE_MS = 24 * 3_600_000;
/** What another pool asked for and did not renew ends after so long; it is renewed, and what changes of it is told, at these intervals. */
export const ASSIST_MS = 3 * 60_000;
export const ASSIST_RENEWAL_MS = 60_000;
export const ASSIST_SPACING_MS = 5_000;
/** How soon it is asked again whether what the settings name is still there, where that could not be had. */
export const RETIRED_RETRY_MS = 3_600_000;
/** Below this share of an account's rate limit only deletes and finds go out. */
export const RATE_RESERVE = 0.25;
/** What was reported or posted counts for so many heartbeat intervals: two reports may be lost on the way. */
export const SAMPLE_INTERVALS = 3;
/**
 * After so many intervals without a decision on the target nothing is known of what was asked for meanwhile. An instance that is always
 * new finds what was stored up to two intervals before the decision that it missed.
 */
export const WINDOW_GAP_INTERVALS = 5;
