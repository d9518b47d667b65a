"""The downloader middleware."""

import logging
import os
import time
from typing import Any, Callable, Optional, Tuple, Type, Union
from urllib.parse import urlsplit

from scrapy import exceptions, signals
from scrapy.core.downloader.handlers.http11 import TunnelError
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Request, Response
from scrapy.utils.misc import load_object
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectError, TCPTimedOutError, TimeoutError
from twisted.internet.task import LoopingCall
from twisted.web.client import ResponseFailed

from .fleet import Fleet, MusterError

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
# Scrapy has exceptions of its own since 2.15; before it those of Twisted come through.
OWN_FAILURES = ("CannotResolveHostError", "DownloadConnectionRefusedError", "DownloadFailedError", "ResponseDataLossError")


def known(*names: str) -> Tuple[Type[Exception], ...]:
    return tuple(getattr(exceptions, name) for name in names if hasattr(exceptions, name))


TIMEOUTS = (TimeoutError, TCPTimedOutError) + known("DownloadTimeoutError")
FAILURES = (ConnectError, ConnectionDone, ConnectionLost, ResponseFailed, TunnelError, OSError) + known(*OWN_FAILURES) + TIMEOUTS

Verdict = Union[bool, str, None]


class NoProxy(IgnoreRequest):
    """No proxy became ready in time: the request is not sent at all, and never without a proxy."""


class MusterMiddleware:
    """Chooses a proxy for each request, judges what comes back, and tries bans and failures again through another one."""

    def __init__(self, crawler: Any) -> None:
        settings = crawler.settings
        url = settings.get("MUSTER_URL") or os.environ.get("MUSTER_URL")
        key = settings.get("MUSTER_KEY") or os.environ.get("MUSTER_KEY")
        if not url or not key:
            raise NotConfigured("MUSTER_URL and MUSTER_KEY are not set")
        self.crawler = crawler
        self.ban_statuses = {int(status) for status in settings.getlist("MUSTER_BAN_STATUSES", [403, 429, 503])}
        is_ban = settings.get("MUSTER_IS_BAN")
        self.is_ban: Optional[Callable[[Request, Response], Verdict]] = load_object(is_ban) if is_ban else None
        self.retries = settings.getint("MUSTER_RETRIES", 5)
        self.wait_seconds = settings.getfloat("MUSTER_WAIT", 300)
        self.scale = settings.getdict("MUSTER_SCALE")
        self.scaled: dict = {}
        self.fleet = Fleet(url, key, settings.getdict("MUSTER_SELECTION"), settings.getfloat("MUSTER_COOL_DOWN", 900))
        self.flushing = LoopingCall(self.fleet.flush)

    @classmethod
    def from_crawler(cls, crawler: Any) -> "MusterMiddleware":
        middleware = cls(crawler)
        crawler.signals.connect(middleware.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(middleware.spider_closed, signal=signals.spider_closed)
        return middleware

    # Signals look at what a handler takes, which a decorator would hide.
    def spider_opened(self, spider: Any) -> Deferred:
        return self.open()

    def spider_closed(self, spider: Any) -> Deferred:
        return self.close()

    @inlineCallbacks
    def open(self):
        self.flushing.start(FLUSH_SECONDS, now=False)
        for pool, count in self.scale.items():
            try:
                self.scaled[pool] = yield self.fleet.scale(pool, int(count), int(count))
            except MusterError as error:
                logger.error("%s is not scaled: %s", pool, error)
        yield self.fleet.ask()

    @inlineCallbacks
    def close(self):
        if self.flushing.running:
            self.flushing.stop()
        ends = [self.fleet.flush(), *(self.fleet.scale(pool, *before) for pool, before in self.scaled.items())]
        for isDone, result in (yield DeferredList(ends, consumeErrors=True)):
            if not isDone:
                logger.error("What the spider scaled may still be there: %s", result.getErrorMessage())

    def process_request(self, request: Request, spider: Any = None) -> Optional[Deferred]:
        meta = request.meta
        mine = meta.get("muster_proxy") is not None
        if meta.get("muster") is False or (not mine and meta.get("proxy")):
            return None
        session = meta.get("muster_session")
        tried = set(meta.get("muster_tried", ()))
        proxy = self.fleet.pick(host_of(request), session, tried)
        if proxy is not None:
            self.send_through(request, proxy)
            return None
        waiting = self.fleet.wait(host_of(request), session, tried, self.wait_seconds)
        waiting.addCallback(lambda found: self.send_through(request, found))
        return waiting

    def send_through(self, request: Request, proxy: Any) -> None:
        if proxy is None:
            raise NoProxy("no proxy became ready in time")
        # Of the proxy before it nothing may be left: HttpProxyMiddleware keeps a header that is there.
        request.headers.pop(b"Proxy-Authorization", None)
        request.meta.pop("_auth_proxy", None)
        request.meta.update(proxy=proxy.url, muster_proxy=proxy.ip, muster_began=time.monotonic())

    def process_response(self, request: Request, response: Response, spider: Any = None) -> Union[Request, Response]:
        ip = request.meta.get("muster_proxy")
        if ip is None:
            return response
        if response.status == 407:
            # Its credentials have just changed; the site has not even been asked.
            self.fleet.refresh()
            return self.again(request, "proxy credentials") or response
        verdict = self.is_ban(request, response) if self.is_ban else None
        if verdict is None:
            verdict = response.status in self.ban_statuses
        outcome = verdict if isinstance(verdict, str) else "banned" if verdict else "ok"
        self.tell(request, outcome, response.status)
        if outcome == "ok":
            return response
        return self.again(request, outcome) or response

    def process_exception(self, request: Request, exception: Exception, spider: Any = None) -> Optional[Request]:
        if request.meta.get("muster_proxy") is None or not isinstance(exception, FAILURES):
            return None
        self.tell(request, "timeout" if isinstance(exception, TIMEOUTS) else "error")
        return self.again(request, type(exception).__name__)

    def tell(self, request: Request, outcome: str, status: Optional[int] = None) -> None:
        meta = request.meta
        ms = (time.monotonic() - meta["muster_began"]) * 1000
        self.fleet.report(meta["muster_proxy"], host_of(request), outcome, meta.get("muster_session"), status, ms)
        if self.crawler.stats:
            self.crawler.stats.inc_value("muster/%s" % outcome)

    def again(self, request: Request, reason: str) -> Optional[Request]:
        """The same request for another proxy; None where it was tried often enough."""
        retries = request.meta.get("max_retry_times", self.retries)
        retry = get_retry_request(request, spider=self.crawler.spider, reason=reason, max_retry_times=retries)
        if retry is None:
            return None
        retry.meta["muster_tried"] = [*request.meta.get("muster_tried", ()), request.meta["muster_proxy"]]
        return retry


def host_of(request: Request) -> str:
    return urlsplit(request.url).hostname or ""
