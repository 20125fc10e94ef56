"""What the use cases of the view work on: the parts of one stack, and what was counted and logged in it."""

from __future__ import annotations

from dataclasses import dataclass

from service.admin.http import AdminCall
from service.admin.stack import AdminStack
from service.incidents.newest import NewestIncidents
from service.incidents.table import IncidentsTable
from service.receipts.table import Receipts
from service.support.log_search import DecisionLogs
from service.tables.attested_keys import AttestedKeys
from service.tables.trust_bundles import RememberedTrustBundles
from service.tallies.rows import Tallies
from service.view.vendor_health import VendorHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStack(AdminStack):
    """The stack of :class:`AdminStack`, and what its functions counted and logged. ``issuer`` is whose trust bundles
    its gate goes by."""

    attested_keys: AttestedKeys
    receipts: Receipts
    tallies: Tallies
    decision_logs: DecisionLogs
    trust_bundles: RememberedTrustBundles
    issuer: str
    vendors: VendorHealth
    incidents: IncidentsTable
    newest_incidents: NewestIncidents


ViewCall = AdminCall[ViewStack]
