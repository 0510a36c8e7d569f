# All of it in one account, as one would run it for others: a collector behind CloudFront, a key of one's own for what is
# at rest, alarms and a budget that tell somebody, a bucket that cannot be deleted by mistake.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "headwater", deployment = var.name }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  # Names and not attributes of log groups: they use the key themselves.
  log_groups = "arn:${data.aws_partition.current.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${var.name}-*"
}

resource "aws_kms_key" "headwater" {
  description             = "Headwater: bucket, queues, logs and alarms of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = local.log_groups } }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })

  lifecycle {
    # Without the key nothing in the bucket can be read again.
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "headwater" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.headwater.key_id
}

resource "aws_sns_topic" "on_call" {
  name              = "${var.name}-on-call"
  kms_master_key_id = aws_kms_key.headwater.arn
}

resource "aws_sns_topic_policy" "on_call" {
  arn = aws_sns_topic.on_call.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.on_call.arn
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "on_call" {
  for_each = toset(var.on_call)

  topic_arn = aws_sns_topic.on_call.arn
  protocol  = "email"
  endpoint  = each.key
}

module "lake" {
  source = "../../modules/lake"

  name          = var.name
  projects_file = var.projects_file
  # What was deleted or overwritten, projects.json among it, can be brought back for a month.
  keep_deleted_days = 30
  kms_key_arn       = aws_kms_key.headwater.arn
}

module "event_queue" {
  source = "../../modules/event-queue"

  name                       = var.name
  visibility_timeout_seconds = 1800
  kms_key_arn                = aws_kms_key.headwater.arn
}

module "collector" {
  source = "../../modules/collector-lambda"

  name               = var.name
  package_file       = "${var.packages_folder}/collector.zip"
  lake               = module.lake
  event_queue        = module.event_queue
  domain             = var.domain
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = aws_kms_key.headwater.arn
}

module "compactor" {
  source = "../../modules/compactor"

  name               = var.name
  package_file       = "${var.packages_folder}/compactor.zip"
  lake               = module.lake
  event_queue        = module.event_queue
  memory_mb          = 3008
  time_limit_seconds = 300
  # Projects are committed at the same time, each by one run.
  maximum_concurrency = 4
  log_retention_days  = var.log_retention_days
  log_kms_key_arn     = aws_kms_key.headwater.arn
}

module "query" {
  source = "../../modules/query"

  name               = var.name
  package_file       = "${var.packages_folder}/query.zip"
  lake               = module.lake
  event_queue        = module.event_queue
  memory_mb          = 7076
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = aws_kms_key.headwater.arn
}

module "observability" {
  source = "../../modules/observability"

  name          = var.name
  lake          = module.lake
  event_queue   = module.event_queue
  compactor     = module.compactor
  query         = module.query
  collector     = module.collector
  alarm_actions = [aws_sns_topic.on_call.arn]

  budget = {
    dollars = var.budget_dollars
    topics  = [aws_sns_topic.on_call.arn]
    tag     = var.budget_by_tag ? { key = "deployment", value = var.name } : null
  }
}

module "catalog" {
  source = "../../modules/catalog"

  name = var.name
  lake = module.lake
}
