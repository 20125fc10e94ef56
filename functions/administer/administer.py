"""The Admin API: what operators change and look up.

The command ``bonafide`` calls it, signed with AWS credentials; API Gateway checks the signature, IAM decides who may
call what, and every change is written down with the ARN of who made it, in the transaction that makes it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from service.admin.apps import (
    EntrustSecret,
    EveryApp,
    ForgetSecret,
    OneRegistration,
    RegisterApp,
    SecretsOfApp,
    entrust_app_secret,
    forget_app_secret,
    list_app_secrets,
    list_apps,
    register_app,
    show_app,
)
from service.admin.audit import ReadAudit, read_audit
from service.admin.blocked_key_pages import BlockedKeyPages
from service.admin.blocked_keys import ListBlockedKeys, UnblockRule, list_blocked_keys, unblock_rule
from service.admin.builds import (
    RegisterBuild,
    RetireBuild,
    RetiredBuildsOfApp,
    list_retired_builds,
    register_build,
    retire_build,
)
from service.admin.guarded_apis import GuardedApis, PublishedRoutes
from service.admin.http import Route, admin_endpoint
from service.admin.keys import (
    BlockKey,
    OneApp,
    OneKey,
    RefreshEndorsements,
    RefuseOlderTokens,
    RotateSigningKeys,
    UnblockKey,
    block_key,
    refresh_endorsements,
    refuse_older_tokens,
    rotate_signing_keys,
    show_not_before,
    unblock_key,
)
from service.admin.policies import (
    AppPolicies,
    ApprovePolicy,
    OneProposal,
    OneVersion,
    PromotePolicy,
    PublishPolicy,
    RejectPolicy,
    RollBackPolicy,
    VersionHistory,
    approve_policy,
    list_policy_versions,
    promote_policy,
    publish_policy,
    reject_policy,
    roll_back_policy,
    show_policies,
    show_policy_proposal,
    show_policy_version,
)
from service.admin.publication import PUBLISHING_TIMEOUT, InvokedFunction, InvokedPublication
from service.admin.registration import Registrations
from service.admin.retired_builds import RetiredBuilds
from service.admin.routes import EveryApi, OneApi, SetRoutes, list_apis, set_routes, show_api
from service.admission.stressed_apps import StressedApps
from service.aws import dynamodb, functions, kms, logs, queues
from service.erasure.erasing import EraseKey, erase_key
from service.fallback_modes import PassMode
from service.incident_administration.incidents import (
    CloseIncident,
    IncidentsQuery,
    OneIncident,
    close_incident,
    list_incidents,
    show_incident,
)
from service.incidents.newest import NewestIncidents
from service.incidents.sealing import MemberSeal
from service.incidents.table import IncidentsTable
from service.keys.fact_keys import DynamoDBFactKeys, FactKeys, FactPurpose
from service.keys.kms import KmsRootKey, KmsWrappingKey
from service.ledger_administration.ledger_keys import EndorseLedgerKey, endorse_ledger_key
from service.pass_administration.passes import (
    MintPass,
    PassesOfApp,
    RevokePass,
    TrustIssuers,
    list_passes,
    mint_pass,
    revoke_pass,
    trust_issuers,
)
from service.policies.app_states import remembered_seconds
from service.policies.publish import PolicyPublishing
from service.policies.store import DynamoDBPolicies
from service.receipts.table import DynamoDBReceipts
from service.region_administration.regions import (
    ChangeRegion,
    EveryRegion,
    change_region,
    require_administration,
    show_regions,
)
from service.regions.administered import AdministeredRegions
from service.regions.table import RegionDocuments
from service.root_administration.root_sets import (
    AddRootSet,
    EveryRoot,
    SignAnew,
    add_root_set,
    show_roots,
    sign_policies_anew,
)
from service.roots.changing import RootChanges
from service.roots.root_sets_table import DynamoDBRootSets
from service.secret_administration.runtime_secrets import (
    ApproveSecret,
    DecideSecret,
    RevokeSecret,
    SecretsOfOneApp,
    SetSecret,
    approve_runtime_secret,
    list_runtime_secrets,
    reject_runtime_secret,
    revoke_runtime_secret,
    rotate_runtime_secret,
    set_runtime_secret,
)
from service.secrets.table import DynamoDBRuntimeSecrets, RuntimeSecretChanges
from service.settings import AdministerSettings, read_settings
from service.stress_administration.stress import (
    DeclareStress,
    StressOfApp,
    declare_stress,
    show_stress,
)
from service.support.log_search import DecisionLogs
from service.tables.apps import DynamoDBApps
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.tables.audit import DynamoDBAudit
from service.tables.blocking import DynamoDBBlocking
from service.tables.known_builds import BuildRegister
from service.tables.not_before import NotBefore
from service.tables.paced.key_lists import KeyLists
from service.tables.trust_bundles import DynamoDBTrustBundles, RememberedTrustBundles
from service.tallies.reader import DynamoDBTallies
from service.telling.administered import AdministeredWebhooks
from service.telling.deliveries import DynamoDBDeliveries
from service.telling.queues import SqsQueue
from service.telling.webhooks_table import DynamoDBWebhooks, WebhookChanges
from service.vendors.app_secrets import DynamoDBAppSecrets, EntrustedSecrets
from service.vendors.play_requests import DynamoDBPlayRequests
from service.vendors.status_lists import DynamoDBStatusLists
from service.view.funnel_page import FunnelQuery, show_funnel
from service.view.key_page import show_key
from service.view.live_view import list_causes, show_view
from service.view.question import CausesQuery, ViewQuery
from service.view.remembered_rows import RememberedTallies
from service.view.stack import ViewStack
from service.view.support import SupportQuery, look_up_support_code
from service.view.timeline import TimelineQuery, show_timeline
from service.view.vendor_health import VendorHealth
from service.webhook_administration.webhooks import (
    AddWebhook,
    ChangeWebhook,
    DeliveriesOfWebhook,
    EveryWebhook,
    ReplayWebhook,
    add_webhook,
    enable_webhook,
    list_webhook_deliveries,
    list_webhooks,
    remove_webhook,
    replay_webhook,
    rotate_webhook,
    try_webhook,
)

ROUTES: Final = (
    Route("GET", "/admin/policies/{app}", AppPolicies, show_policies),
    Route("POST", "/admin/policies/{app}", PublishPolicy, publish_policy),
    Route("GET", "/admin/policies/{app}/versions/{version}", OneVersion, show_policy_version),
    Route("GET", "/admin/policies/{app}/proposals/{proposal}", OneProposal, show_policy_proposal),
    Route("GET", "/admin/policies/{app}/history", VersionHistory, list_policy_versions),
    Route("POST", "/admin/policies/{app}/promote", PromotePolicy, promote_policy),
    Route("POST", "/admin/policies/{app}/rollback", RollBackPolicy, roll_back_policy),
    Route("POST", "/admin/policies/{app}/approve", ApprovePolicy, approve_policy),
    Route("POST", "/admin/policies/{app}/reject", RejectPolicy, reject_policy),
    Route("GET", "/admin/keys/{key_id}", OneKey, show_key),
    Route("POST", "/admin/keys/{key_id}/block", BlockKey, block_key, local=True),
    Route("POST", "/admin/keys/{key_id}/unblock", UnblockKey, unblock_key, local=True),
    Route("POST", "/admin/erased-keys/{key_id}", EraseKey, erase_key, local=True),
    Route("GET", "/admin/blocked-keys", ListBlockedKeys, list_blocked_keys),
    Route("POST", "/admin/blocked-keys/unblock", UnblockRule, unblock_rule),
    Route("GET", "/admin/apps", EveryApp, list_apps),
    Route("GET", "/admin/apps/{app}", OneRegistration, show_app),
    Route("PUT", "/admin/apps/{app}", RegisterApp, register_app),
    Route("GET", "/admin/apps/{app}/not-before", OneApp, show_not_before),
    Route("POST", "/admin/apps/{app}/not-before", RefuseOlderTokens, refuse_older_tokens),
    Route("GET", "/admin/apps/{app}/stress", StressOfApp, show_stress),
    Route("POST", "/admin/apps/{app}/stress", DeclareStress, declare_stress),
    Route("GET", "/admin/apps/{app}/retired-builds", RetiredBuildsOfApp, list_retired_builds),
    Route("POST", "/admin/apps/{app}/retired-builds", RetireBuild, retire_build),
    Route("POST", "/admin/apps/{app}/builds", RegisterBuild, register_build),
    Route("GET", "/admin/apps/{app}/secrets", SecretsOfApp, list_app_secrets),
    Route("POST", "/admin/apps/{app}/secrets", EntrustSecret, entrust_app_secret),
    Route("POST", "/admin/apps/{app}/secrets/{name}/remove", ForgetSecret, forget_app_secret),
    Route("GET", "/admin/apps/{app}/runtime-secrets", SecretsOfOneApp, list_runtime_secrets),
    Route("POST", "/admin/apps/{app}/runtime-secrets/{name}", SetSecret, set_runtime_secret),
    Route("POST", "/admin/apps/{app}/runtime-secrets/{name}/rotate", SetSecret, rotate_runtime_secret),
    Route("POST", "/admin/apps/{app}/runtime-secrets/{name}/revoke", RevokeSecret, revoke_runtime_secret),
    Route("POST", "/admin/apps/{app}/runtime-secrets/{name}/approve", ApproveSecret, approve_runtime_secret),
    Route("POST", "/admin/apps/{app}/runtime-secrets/{name}/reject", DecideSecret, reject_runtime_secret),
    Route("GET", "/admin/apps/{app}/test-passes", PassesOfApp, list_passes),
    Route("POST", "/admin/apps/{app}/test-passes", MintPass, mint_pass),
    Route("POST", "/admin/apps/{app}/test-passes/{pass_id}/revoke", RevokePass, revoke_pass),
    Route("PUT", "/admin/apps/{app}/test-issuers", TrustIssuers, trust_issuers),
    Route("GET", "/admin/root-sets", EveryRoot, show_roots),
    Route("POST", "/admin/root-sets", AddRootSet, add_root_set),
    Route("POST", "/admin/root-sets/signatures", SignAnew, sign_policies_anew),
    Route("POST", "/admin/signing-keys/rotate", RotateSigningKeys, rotate_signing_keys, local=True),
    Route("POST", "/admin/endorsements/refresh", RefreshEndorsements, refresh_endorsements, local=True),
    Route("POST", "/admin/ledger-keys", EndorseLedgerKey, endorse_ledger_key, local=True),
    Route("GET", "/admin/apis", EveryApi, list_apis),
    Route("GET", "/admin/apis/{audience}", OneApi, show_api),
    Route("PUT", "/admin/apis/{audience}", SetRoutes, set_routes),
    Route("GET", "/admin/audit", ReadAudit, read_audit),
    Route("GET", "/admin/regions", EveryRegion, show_regions),
    Route("POST", "/admin/regions/{region}/{change}", ChangeRegion, change_region, local=True),
    Route("GET", "/admin/webhooks", EveryWebhook, list_webhooks),
    Route("POST", "/admin/webhooks/{webhook}", AddWebhook, add_webhook),
    Route("POST", "/admin/webhooks/{webhook}/remove", ChangeWebhook, remove_webhook),
    Route("POST", "/admin/webhooks/{webhook}/rotate", ChangeWebhook, rotate_webhook),
    Route("POST", "/admin/webhooks/{webhook}/enable", ChangeWebhook, enable_webhook),
    Route("POST", "/admin/webhooks/{webhook}/test", ChangeWebhook, try_webhook),
    Route("POST", "/admin/webhooks/{webhook}/replay", ReplayWebhook, replay_webhook),
    Route("GET", "/admin/webhooks/{webhook}/deliveries", DeliveriesOfWebhook, list_webhook_deliveries),
    Route("GET", "/admin/apps/{app}/view", ViewQuery, show_view, polled=True),
    Route("GET", "/admin/apps/{app}/view/causes", CausesQuery, list_causes, polled=True),
    Route("GET", "/admin/apps/{app}/view/funnel", FunnelQuery, show_funnel, polled=True),
    Route("GET", "/admin/apps/{app}/timeline", TimelineQuery, show_timeline, polled=True),
    Route("GET", "/admin/apps/{app}/incidents", IncidentsQuery, list_incidents, polled=True),
    Route("GET", "/admin/apps/{app}/incidents/{id}", OneIncident, show_incident),
    Route("POST", "/admin/apps/{app}/incidents/{id}/close", CloseIncident, close_incident, local=True),
    Route("GET", "/admin/support/{code}", SupportQuery, look_up_support_code),
)
"""Every route, as docs/openapi.yaml documents them."""


def wire(env: Mapping[str, str]) -> ViewStack:
    """What all use cases work on, from the environment."""
    settings = read_settings(AdministerSettings, env)
    client = dynamodb()
    audit = DynamoDBAudit(client, settings.audit_table)
    wrapping = KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name)
    fact_keys = FactKeys(DynamoDBFactKeys(client, settings.fact_keys_table), wrapping)
    seal = MemberSeal(lambda: fact_keys.find(FactPurpose.MEMBERS, 1, time.time()))
    incidents = IncidentsTable(client, settings.incidents_table, seal, settings.tally_days, audit)
    bundles = DynamoDBTrustBundles(client, settings.trust_bundles_table)
    published = PublishedRoutes(
        bundles,
        settings.token_issuer,
        settings.root_public_key,
    )
    policies = DynamoDBPolicies(client, settings.policies_table, audit, settings.revocations_table)
    root_key = KmsRootKey(kms(), settings.root_key_id)
    regions = AdministeredRegions(
        region=settings.region_name,
        issuer=settings.token_issuer,
        roots=settings.root_public_key,
        documents=RegionDocuments(client, settings.signing_keys_table, audit),
        sign=root_key.sign,
    )
    blocking = DynamoDBBlocking(
        client,
        settings.attested_keys_table,
        settings.revocations_table,
        audit=audit,
        receipts=settings.receipts_table,
        require_home=regions.require_home,
    )
    passes = None
    if settings.test_passes is PassMode.ON:
        from service.passes.administered import AdministeredPasses
        from service.passes.rows import PassRows

        rows = PassRows(client, settings.attested_keys_table)
        passes = AdministeredPasses(rows, audit, root_key, settings.token_issuer, settings.stage)
    return ViewStack(
        apps=DynamoDBApps(client, settings.apps_table),
        apis=GuardedApis(client, settings.apis_table, audit, published.routes),
        audit=audit,
        blocking=blocking,
        blocked_keys=BlockedKeyPages(client, settings.attested_keys_table, blocking),
        key_lists=KeyLists(client, settings.revocations_table),
        not_before=NotBefore(client, settings.revocations_table, audit),
        policies=policies,
        publication=InvokedPublication(functions(PUBLISHING_TIMEOUT), settings.publish_bundle_function),
        retired_builds=RetiredBuilds(client, settings.apps_table, audit),
        stressed_apps=StressedApps(client, settings.apps_table, audit),
        builds=BuildRegister(client, settings.builds_table, settings.apps_table, audit),
        secrets=EntrustedSecrets(
            client, settings.app_secrets_table, audit, DynamoDBAppSecrets(client, settings.app_secrets_table)
        ),
        runtime_secrets=RuntimeSecretChanges(
            client,
            settings.runtime_secrets_table,
            audit,
            DynamoDBRuntimeSecrets(client, settings.runtime_secrets_table),
        ),
        sealing=wrapping,
        webhooks=AdministeredWebhooks(
            changes=WebhookChanges(
                client, settings.webhooks_table, audit, DynamoDBWebhooks(client, settings.webhooks_table)
            ),
            deliveries=DynamoDBDeliveries(client, settings.webhooks_table),
            queue=SqsQueue(queues(), settings.webhook_queue),
            addresses=settings.webhook_addresses,
            stack_name=settings.stack_name,
        ),
        passes=passes,
        regions=regions,
        refresh=InvokedFunction(functions(PUBLISHING_TIMEOUT), settings.refresh_endorsements_function, "refresh"),
        roots=RootChanges(
            sets=DynamoDBRootSets(client, settings.policies_table, audit),
            policies=policies,
            apps=DynamoDBApps(client, settings.apps_table),
            trust_bundles=bundles,
            signing=root_key,
            accepted=settings.root_public_key,
            issuer=settings.token_issuer,
            approval=settings.policy_approval,
            regions=regions,
        ),
        rotation=InvokedFunction(functions(PUBLISHING_TIMEOUT), settings.rotate_signing_key_function, "rotation"),
        registrations=Registrations(client, settings.apps_table, audit=audit),
        publishing=PolicyPublishing(
            policies=policies,
            root_key=root_key,
            issuer=settings.token_issuer,
            approval=settings.policy_approval,
            remembered=remembered_seconds(settings.app_memory_seconds),
        ),
        attested_keys=DynamoDBAttestedKeys(client, settings.attested_keys_table),
        receipts=DynamoDBReceipts(client, settings.receipts_table),
        tallies=RememberedTallies(DynamoDBTallies(client, settings.tallies_table)),
        decision_logs=DecisionLogs(logs(), settings.decision_log_groups),
        trust_bundles=RememberedTrustBundles(bundles),
        issuer=settings.token_issuer,
        vendors=VendorHealth(
            DynamoDBStatusLists(client, settings.endorsements_table),
            DynamoDBPlayRequests(client, settings.play_requests_table),
            settings.endorsements_max_age_seconds,
        ),
        incidents=incidents,
        newest_incidents=NewestIncidents(incidents.reader),
    )


handler = admin_endpoint(ROUTES, wire, guard=require_administration)
