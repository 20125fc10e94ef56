# Bonafide as one CloudFormation stack, from the template that `sam package` wrote. Terraform describes nothing of it: what
# is in the template stays in the template, with its permissions, its lifecycle and its versions.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

# A template of more than 51,200 bytes is taken from S3 only.
resource "aws_s3_object" "template" {
  bucket = var.artefact_bucket
  key    = "${var.name}/${filesha256(var.packaged_template)}.yaml"
  source = var.packaged_template
}

resource "aws_cloudformation_stack" "bonafide" {
  name         = var.name
  template_url = "https://${var.artefact_bucket}.s3.${data.aws_region.here.name}.${data.aws_partition.here.dns_suffix}/${aws_s3_object.template.key}"
  parameters   = merge(local.routes, var.parameters)
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  tags         = var.tags

  timeouts {
    create = "30m"
    update = "60m" # a canary takes its time
  }

  lifecycle {
    prevent_destroy = true # the root key, which every relying party pins, is its
  }
}

locals {
  routes = length(var.routes) == 0 ? {} : {
    GuardedApiRoutes = jsonencode([for route in var.routes : [route.method, route.path, route.requirement]])
  }
}

data "aws_region" "here" {}

data "aws_partition" "here" {}
