"""Sends the requests of a Scrapy spider through a fleet of Muster's proxies; README.md says how."""

from .middleware import MusterMiddleware

__all__ = ["MusterMiddleware"]
