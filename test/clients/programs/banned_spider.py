"""A spider of a site that bans: run by test/clients/scrapy.test.ts, which reads the lines that it prints.

Arguments: Muster's address, its key, the site's address, the pool to scale and to how many.
"""

import json
import sys

import scrapy
from scrapy.crawler import CrawlerProcess

muster, key, site, pool, count = sys.argv[1:6]


def is_ban(request, response):
    return "captcha" if b"are you human" in response.body else None


class Spider(scrapy.Spider):
    name = "banned"

    def start_requests(self):
        for number in range(24):
            yield scrapy.Request("%s/page/%d" % (site, number), meta={"cookiejar": number})
        for number in range(6):
            yield scrapy.Request("%s/sticky/%d" % (site, number), meta={"muster_session": "customer-42"})
        yield scrapy.Request("%s/captcha/1" % site)

    def parse(self, response):
        seen = json.loads(response.text)
        seen.update(path=response.url[len(site) :], proxy=response.meta["muster_proxy"], status=response.status)
        print(json.dumps(seen), flush=True)


process = CrawlerProcess(
    {
        "MUSTER_URL": muster,
        "MUSTER_KEY": key,
        "MUSTER_IS_BAN": is_ban,
        "MUSTER_SCALE": {pool: int(count)} if pool else {},
        "DOWNLOADER_MIDDLEWARES": {"muster_scrapy.MusterMiddleware": 740},
        "RETRY_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 4,
        "LOG_LEVEL": "INFO",
    }
)
process.crawl(Spider)
process.start()
