"""The listings of SHOW: one row a listing, from which grammar, printer, route and compiler take theirs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ListingScope(StrEnum):
    """Who knows the rows: a database's own catalog, the list of databases, or the log's side of the cluster."""

    CATALOG = "catalog"
    NAMES = "names"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Listing:
    """`name` is its standard word and `token` that of its words in `keywords`; `kind` is that of the catalog's
    objects."""

    name: str
    token: str
    scope: ListingScope
    kind: str = ""


LISTINGS = {
    listing.name: listing
    for listing in (
        Listing("databases", "DATABASE", ListingScope.NAMES),
        Listing("tables", "TABLE", ListingScope.CATALOG, "table"),
        Listing("domains", "DOMAIN", ListingScope.CATALOG, "domain"),
        Listing("views", "VIEW", ListingScope.CATALOG, "view"),
        Listing("indexes", "INDEX", ListingScope.CATALOG, "index"),
        Listing("servers", "SERVERS", ListingScope.CLUSTER),
        Listing("conflicts", "CONFLICTS", ListingScope.CLUSTER),
    )
}
NAMES_BY_TOKEN = {listing.token: listing.name for listing in LISTINGS.values()}
