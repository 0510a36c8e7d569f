# The function that tells the edge who may send: it puts the bucket's projects.json into Workers KV.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  function_name = "${var.name}-publisher"

  parameter_arn = join(":", [
    "arn", data.aws_partition.current.partition, "ssm", data.aws_region.current.name, data.aws_caller_identity.current.account_id,
    "parameter${var.token_parameter}",
  ])

  calls = var.create ? {
    changed = {
      description = "Headwater: projects.json has changed"
      schedule    = null
      pattern = jsonencode({
        source      = ["aws.s3"]
        detail-type = ["Object Created"]
        detail      = { bucket = { name = [var.lake.bucket] }, object = { key = ["config/projects.json"] } }
      })
    }
    compare = {
      description = "Headwater: compare the edge's projects.json with the bucket's"
      schedule    = var.schedule
      pattern     = null
    }
  } : {}
}

module "function" {
  source = "../function"
  create = var.create

  name               = local.function_name
  description        = "Headwater: publishes projects.json to the edge"
  package            = "publisher"
  package_file       = var.package_file
  architecture       = var.architecture
  bucket             = var.lake.bucket
  memory_mb          = 256
  time_limit_seconds = 60
  # KV takes one write a second: two at a time would only be refused.
  reserved_concurrency = 1
  kms_key_arns         = compact([var.lake.kms_key_arn, var.token_kms_key_arn])
  log                  = var.log
  log_retention_days   = var.log_retention_days
  log_kms_key_arn      = var.log_kms_key_arn
  tags                 = var.tags

  environment = {
    HEADWATER_PROJECTS_URL               = var.lake.projects_url
    HEADWATER_CLOUDFLARE_ACCOUNT         = var.cloudflare.account_id
    HEADWATER_CLOUDFLARE_NAMESPACE       = var.cloudflare.namespace_id
    HEADWATER_CLOUDFLARE_TOKEN_PARAMETER = var.token_parameter
  }

  statements = [
    {
      sid       = "ReadProjects"
      actions   = ["s3:GetObject"]
      resources = ["${var.lake.bucket_arn}/config/projects.json"]
    },
    {
      sid       = "ReadToken"
      actions   = ["ssm:GetParameter"]
      resources = [local.parameter_arn]
    },
  ]
}

resource "aws_cloudwatch_event_rule" "call" {
  for_each = local.calls

  name                = "${local.function_name}-${each.key}"
  description         = each.value.description
  event_pattern       = each.value.pattern
  schedule_expression = each.value.schedule
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "call" {
  for_each = local.calls

  rule = aws_cloudwatch_event_rule.call[each.key].name
  arn  = module.function.arn
}

resource "aws_lambda_permission" "call" {
  for_each = local.calls

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.call[each.key].arn
}
