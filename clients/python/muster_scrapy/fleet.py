"""What the middleware knows of the fleet, and how it talks with Muster: on Twisted, so that no call holds the spider up."""

import json
import logging
import random
import time
from io import BytesIO
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.http_headers import Headers

from .rendezvous import best

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 10.0
AT_ONCE_SECONDS = 1.0
WAKE_SECONDS = 2.0
CALL_SECONDS = 15.0
MAX_BATCH = 500
SUSPECT_SECONDS = 30.0


class Proxy(NamedTuple):
    """A ready proxy; `url` holds its credentials."""

    id: str
    ip: str
    url: str


class MusterError(Exception):
    """Muster refused a call, or could not be reached. Says neither the key nor what was sent."""


class Fleet:
    """The ready proxies as Muster lists them, and what this spider has learnt of them."""

    def __init__(self, url: str, key: str, selection: Dict[str, str], cool_down: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self.key, self.selection, self.cool_down, self.clock = url.rstrip("/"), key, selection, cool_down, clock
        # To import it is to install it: the spider's settings say which one, and have by now.
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.agent = Agent(reactor, connectTimeout=CALL_SECONDS)
        self.proxies: List[Proxy] = []
        self.tag: Optional[str] = None
        self.asked_at = float("-inf")
        self.asking: Optional[Deferred] = None
        self.bans: Dict[Tuple[str, str], float] = {}
        self.suspects: Dict[str, float] = {}
        self.reports: Dict[Tuple[str, str, str], Dict[str, Any]] = {}

    # Choosing.

    def pick(self, host: str, session: Optional[str], tried: Set[str]) -> Optional[Proxy]:
        """A proxy for this host that is none of those tried, while there is another; None where none is ready."""
        now = self.clock()
        if now - self.asked_at > FOLLOW_SECONDS:
            self.refresh()
        cool = [proxy for proxy in self.proxies if self.bans.get((proxy.ip, host), 0) <= now]
        sound = [proxy for proxy in cool if self.suspects.get(proxy.ip, 0) <= now]
        for among in (sound, cool, self.proxies):
            left = [proxy for proxy in among if proxy.ip not in tried]
            if left:
                return best(session, ((proxy.id, proxy) for proxy in left)) if session is not None else random.choice(left)
        # Rather the same one again than none.
        return random.choice(self.proxies) if self.proxies else None

    @inlineCallbacks
    def wait(self, host: str, session: Optional[str], tried: Set[str], seconds: float):
        """As `pick`, and waits while nothing is ready, which wakes a fleet that sleeps. None after so many seconds."""
        deadline = self.clock() + seconds
        while True:
            proxy = self.pick(host, session, tried)
            if proxy is not None or self.clock() >= deadline:
                return proxy
            yield self.ask()
            if self.proxies:
                continue
            try:
                yield self.call("GET", "/random" + self.query(), statuses=(404, 503))
            except MusterError as error:
                logger.warning("%s", error)
            yield deferLater(self.reactor, WAKE_SECONDS, lambda: None)

    # Following the list.

    def query(self, **more: str) -> str:
        given = {**self.selection, **more}
        return "?" + urlencode(given) if given else ""

    def refresh(self) -> None:
        """Asks for the list soon, in the background."""
        if self.asking is None and self.clock() - self.asked_at >= AT_ONCE_SECONDS:
            self.ask()

    def ask(self) -> Deferred:
        """Asks for the list; fires once it is known, or could not be had, which is logged."""
        if self.asking is None:
            self.asked_at = self.clock()
            self.asking = self._ask()
            self.asking.addErrback(lambda failure: logger.warning("%s", failure.getErrorMessage()))
            self.asking.addBoth(self._asked)
        done: Deferred = Deferred()
        if self.asking is None:
            done.callback(None)
        else:
            self.asking.addBoth(lambda result: done.callback(None) or result)
        return done

    def _asked(self, result: Any) -> Any:
        self.asking = None
        return result

    @inlineCallbacks
    def _ask(self):
        headers = {"If-None-Match": self.tag} if self.tag else {}
        status, body, answered = yield self.call("GET", "/proxies.txt" + self.query(format="json"), headers=headers, statuses=(304,))
        if status == 304:
            return
        self.proxies = [Proxy(each["id"], each["ip"], each["url"]) for each in json.loads(body)]
        self.tag = (answered.getRawHeaders("ETag") or [None])[0]

    # What came of it.

    def report(self, ip: str, host: str, outcome: str, session: Optional[str] = None, status: Optional[int] = None, ms: Optional[float] = None) -> None:
        """Keeps an outcome for the next batch: the last one of each proxy, host and kind."""
        now = self.clock()
        if outcome in ("banned", "captcha"):
            self.bans[(ip, host)] = now + self.cool_down
        elif outcome in ("error", "timeout"):
            self.suspects[ip] = now + SUSPECT_SECONDS
            self.refresh()
        else:
            self.suspects.pop(ip, None)
        given = {"ip": ip, "host": host, "outcome": outcome, "session": session, "status": status, "ms": None if ms is None else round(ms)}
        key = (ip, host, outcome)
        self.reports.pop(key, None)
        self.reports[key] = {name: value for name, value in given.items() if value is not None}
        if len(self.reports) > MAX_BATCH:
            del self.reports[next(iter(self.reports))]

    @inlineCallbacks
    def flush(self):
        """Sends what waits. Never fails: outcomes that Muster does not take are lost, which is logged."""
        batch, self.reports = list(self.reports.values()), {}
        if not batch:
            return
        try:
            yield self.call("POST", "/report", batch)
        except MusterError as error:
            logger.warning("%d outcomes are lost: %s", len(batch), error)

    # How many proxies there are.

    @inlineCallbacks
    def scale(self, pool: str, least: int, most: int):
        """Sets how many proxies a pool (`provider` or `provider/instance`) keeps; gives what it kept before, as (least, most)."""
        path = "/providers/" + quote(pool, safe="/")
        _, body, _ = yield self.call("GET", path)
        before = scaling_in(json.loads(body))
        yield self.call("PATCH", path, {"min_scaling": least, "max_scaling": most})
        return before

    @inlineCallbacks
    def call(self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None, statuses: Tuple[int, ...] = ()):
        """One call of Muster's API: (status, body, headers). Raises MusterError for a status that is neither 2xx nor one of `statuses`."""
        sent = {"X-Auth-Key": self.key, **(headers or {})}
        producer = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            producer = FileBodyProducer(BytesIO(json.dumps(body).encode()))
        fields = Headers({name: [value] for name, value in sent.items()})
        try:
            asked = self.agent.request(method.encode(), (self.url + path).encode(), fields, producer)
            asked.addTimeout(CALL_SECONDS, self.reactor)
            response = yield asked
            reading = readBody(response)
            reading.addTimeout(CALL_SECONDS, self.reactor)
            text = yield reading
        except Exception as error:
            raise MusterError("Muster cannot be reached: %s" % type(error).__name__)
        if response.code >= 300 and response.code not in statuses:
            raise MusterError("Muster answers %d to %s %s" % (response.code, method, path.partition("?")[0]))
        return (response.code, text, response.headers)


def scaling_in(answer: Dict[str, Any]) -> Tuple[int, int]:
    """What a provider's or an instance's answer says of its scaling."""
    config = answer.get("config") or answer.get("provider") or {}
    scaling = config["scaling"]
    return scaling["min_scaling"], scaling["max_scaling"]
