"""Bonafide for AWS CDK: the packaged template as a nested stack, and its authorizer before routes of your own APIs."""

from bonafide_cdk.construct import Bonafide, Route
from bonafide_cdk.packaged_template import PackagedTemplate, TemplateError

__all__ = ["Bonafide", "PackagedTemplate", "Route", "TemplateError"]
