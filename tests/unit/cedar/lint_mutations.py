"""A sound policy, and its mutations: each has one fault, which the linter names by one code."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
SOUND = """\
permit (principal, action, resource);

@id("boot")
@advice("update-os")
forbid (principal is Android, action, resource)
when { principal.verified_boot_state != "verified" };

@id("old")
@mode("observe")
@expires("2027-06-01")
forbid (principal is Android, action == Action::"affirm", resource)
when { principal has patch_age_months && principal.patch_age_months > 24 };

@id("hooked")
@block("1h")
forbid (principal, action, resource)
when { context.signals has hooking && context.signals.hooking.reported };
"""
RULE = '@id("x")\nforbid (principal, action, resource)\nwhen { %s };\n'
WARN = RULE.replace("action,", 'action == Action::"affirm",')
SECRET = 'permit (principal, action == Action::"release-secret", resource == Secret::"a") when { %s };'
ANDROID = '@id("x")\nforbid (principal is Android, action, resource)\nwhen { %s };\n'

# Each row: code, what is replaced in the sound policy (nothing: put behind it), by what.
MUTATIONS = [
    ("not-cedar", "forbid (principal is", "forbid (principal was"),
    ("unknown-attribute", "principal.verified_boot_state", "principal.verifed_boot_state"),
    ("unknown-attribute", "principal has patch_age_months &&", "principal has patch_age_month && 1 == 2 &&"),
    ("unknown-signal", "", RULE % "context.signals has hookin"),
    ("unknown-entity-type", "is Android, action, resource", "is Andriod, action, resource"),
    ("unknown-entity-type", "", RULE % "principal is Aple"),
    ("unknown-action", 'Action::"affirm"', 'Action::"afirm"'),
    ("wrong-type", "> 24", '> "24"'),
    ("wrong-type", "", ANDROID % 'principal.device_locked == "no"'),
    ("wrong-type", "", ANDROID % "principal.packages < 3"),
    ("optional-without-has", "principal has patch_age_months && ", ""),
    ("other-platform", "", RULE % "!principal.device_locked"),
    ("other-platform", "", '@id("x")\nforbid (principal is Apple, action, resource)\nwhen { principal has play };\n'),
    ("impossible-value", '"verified"', '"verifed"'),
    ("impossible-value", "", RULE % 'context has country && context.country == "de"'),
    ("impossible-value", "", RULE % 'context.event == "enroll"'),
    ("impossible-value", "", RULE % 'context has build && context.build.match == "knwon"'),
    ("impossible-value", "", RULE % 'context.signals has other && context.signals.other.contains("root")'),
    ("impossible-value", "", RULE % 'principal.key_storage like "tpm*"'),
    ("unfamiliar-value", "", ANDROID % 'principal has play && principal.play.device_labels.contains("MEETS_DEVCE")'),
    ("empty-set", "", ANDROID % "principal.packages == []"),
    ("empty-set", 'action == Action::"affirm"', "action in []"),
    ("impossible-condition", "> 24", "> 24 && principal.patch_age_months < 20"),
    ("impossible-condition", "", ANDROID % "principal is Apple"),
    ("impossible-condition", "", ANDROID % 'principal.key_storage == "tee" && principal.key_storage == "software"'),
    ("impossible-condition", "", RULE % "principal == resource"),
    ("unreachable-permit", "", '@id("all-apple")\nforbid (principal is Apple, action, resource);\n'
     "permit (principal is Apple, action, resource);\n"),
    ("unreachable-permit", "", 'permit (principal is Android, action, resource)\n'
     'when { principal.verified_boot_state == "failed" };\n'),
    ("unreachable-permit", "permit (principal, action,",
     'permit (principal is Apple, action == Action::"affirm", resource);\npermit (principal is Android, action,'),
    ("idle-forbid", "permit (principal, action", "permit (principal is Apple, action"),
    ("idle-forbid", "", '@id("x")\nforbid (principal is Android, action == Action::"affirm", resource)\n'
     'when { principal.verified_boot_state == "failed" };\n'),
    ("no-permit", "permit (principal, action, resource);", ""),
    ("expired", "2027-06-01", "2026-11-23T23:00:00Z"),
    ("expires-soon", "2027-06-01", "2026-11-30"),
    ("permits-end", "permit (principal, action, resource);",
     '@expires("2090-12-31")\npermit (principal, action, resource);'),
    ("missing-id", '@id("boot")\n', ""),
    ("bad-id", '@id("boot")', '@id("Boot State")'),
    ("bad-id", '@id("boot")', '@id("policy-error")'),
    ("duplicate-id", '@id("hooked")', '@id("boot")'),
    ("unknown-annotation", "@advice", "@advise"),
    ("misplaced-annotation", "permit", '@advice("update-app")\npermit'),
    ("observed-permit", "permit", '@mode("observe")\npermit'),
    ("bad-advice", '"update-os"', '"Please update!"'),
    ("bad-mode", '"observe"', '"watch"'),
    ("bad-expires", "2027-06-01", "next week"),
    ("bad-block", '"1h"', '"25h"'),
    ("misplaced-block", '@mode("observe")', '@block("1h")'),
    ("misplaced-block", '@block("1h")', '@block("1h")\n@mode("observe")'),
    ("forbid-accept-alone", "", '@id("x")\nforbid (principal is Apple, action == Action::"accept", resource);\n'),
    ("action-in-condition", "", RULE % 'action == Action::"accept"'),
    ("template", "principal is Android, action, resource", "principal == ?principal, action, resource"),
    ("signal-raises-trust", "when { context.signals has hooking &&", "unless { context.signals has hooking &&"),
    ("signal-raises-trust", "hooking.reported", "hooking.reported == false"),
    ("signal-raises-trust", "", RULE % "if context.signals has root then false else context.event == \"enrol\""),
    ("signal-raises-trust", "", RULE % "context.signals has other && context.signals.other.isEmpty()"),
    ("signal-raises-trust", "", RULE % 'context.signals has root && context.signals.root has detail && '
     'context.signals.root.detail != "magisk"'),
    ("signal-raises-trust", "permit (principal, action, resource);",
     "permit (principal, action, resource) when { !(context.signals has root) };"),
    ("signal-raises-trust", "", RULE % 'context.signals has root || ip("10.0.0.1").isLoopback()'),
    ("incident-raises-trust", "", RULE % '!context.incidents.contains("key-farm")'),
    ("incident-raises-trust", "", RULE % "context.incidents.isEmpty()"),
    ("incident-raises-trust", "", RULE % '["key-farm"].containsAll(context.incidents)'),
    ("incident-raises-trust", "", RULE % 'context.incidents.contains("key-farm") || ip("10.0.0.1").isLoopback()'),
    ("incident-raises-trust", "permit (principal, action, resource);",
     'permit (principal, action, resource) when { context.incidents.contains("key-farm") };'),
    ("incident-raises-trust", "", SECRET % "context.incidents.isEmpty()"),
    ("incident-raises-trust", "", WARN % '!context.incident_warnings.contains("leaked-keybox")'),
    ("incident-warns-only", "", RULE % 'context.incident_warnings.contains("leaked-keybox")'),
    ("incident-warns-only", "", RULE % "{a: 1} has incident_warnings || context.event == \"enrol\""),
    ("unknown-attribute", "", SECRET % "true" + '@id("x") forbid (principal, action == '
     'Action::"release-secret", resource) when { context.incident_warnings.contains("leaked-keybox") };'),
    ("impossible-value", "", RULE % 'context.incidents.contains("key-fram")'),
    ("impossible-value", "", RULE % 'context.incidents.contains("vendor-trouble")'),
    ("may-overflow", "", RULE % "context.client_policy_version + 1 < 3"),
    ("too-deep", "", RULE % ("(" * 60 + "true" + ")" * 60)),
    ("too-large", "", "// " + "x" * 70_000),
    ("too-many-rules", "", "".join(f'@id("r{n}") forbid(principal,action,resource);\n' for n in range(501))),
    ("mixed-actions", "", 'permit (principal, action in [Action::"accept", Action::"release-secret"], resource);'),
    ("every-secret", "", 'permit (principal, action == Action::"release-secret", resource);'),
    ("idle-forbid", "", '@id("x") forbid (principal, action == Action::"release-secret", resource);'),
    ("impossible-condition", "", SECRET % 'context.tier == "affirming" && context.tier == "warning"'),
    ("impossible-value", "", SECRET % 'context.tier == "contraindicated"'),
    ("unknown-attribute", "", RULE % 'context.tier == "warning"'),
    ("unknown-attribute", "", SECRET % 'context.teir == "warning"'),
    ("unknown-entity-type", "", SECRET.replace("Secret::", "App::") % "true"),
    ("signal-raises-trust", "", SECRET % "!(context.signals has root)"),
    ("action-in-condition", "", 'permit (principal, action, resource) when { action == Action::"release-secret" };'),
    ("misplaced-annotation", "", '@advice("x") @id("y") forbid (principal, action == Action::"release-secret", '
     "resource);\n" + SECRET % "true"),
]  # fmt: skip


def mutated(old: str, new: str) -> str:
    """The sound policy with one fault."""
    assert old == "" or old in SOUND
    return SOUND.replace(old, new, 1) if old else SOUND + "\n" + new
