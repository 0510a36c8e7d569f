# The function that answers questions, and the HTTPS address in front of it.

locals {
  function_name = "${var.name}-query"
}

module "function" {
  source = "../function"
  create = var.create

  name                 = local.function_name
  description          = "Headwater: answers questions"
  package              = "query"
  package_file         = var.package_file
  architecture         = var.architecture
  bucket               = var.lake.bucket
  memory_mb            = var.memory_mb
  time_limit_seconds   = var.time_limit_seconds
  reserved_concurrency = var.reserved_concurrency
  kms_key_arns         = compact([var.lake.kms_key_arn, var.event_queue.kms_key_arn])
  log                  = var.log
  log_retention_days   = var.log_retention_days
  log_kms_key_arn      = var.log_kms_key_arn
  tags                 = var.tags

  environment = {
    HEADWATER_LAKE_URL           = var.lake.lake_url
    HEADWATER_PROJECTS_URL       = var.lake.projects_url
    HEADWATER_ANSWERS_URL        = "s3://${coalesce(var.lake.bucket, "none")}/answers"
    HEADWATER_QUEUE_URL          = var.event_queue.queue_url
    HEADWATER_TIME_LIMIT_SECONDS = tostring(var.time_limit_seconds)
  }

  statements = [
    {
      sid       = "ReadTablesAndProjects"
      actions   = ["s3:GetObject"]
      resources = ["${var.lake.bucket_arn}/lake/*", "${var.lake.bucket_arn}/config/projects.json"]
    },
    {
      # A question about a project that has no events yet makes its empty tables: the first entry of each log, and
      # the mark of the lake's version. Both are written only where nothing is.
      sid     = "MakeEmptyTables"
      actions = ["s3:PutObject"]
      resources = [
        "${var.lake.bucket_arn}/lake/headwater-lake.json",
        "${var.lake.bucket_arn}/lake/projects/*/_delta_log/00000000000000000000.json",
      ]
      condition = { Null = { "s3:if-none-match" = "false" } }
    },
    {
      # Who is to be erased; the function that stores events does it. A request that is there is never replaced.
      sid       = "RecordErasures"
      actions   = ["s3:PutObject"]
      resources = ["${var.lake.bucket_arn}/lake/projects/*/erasures/*.json"]
      condition = { Null = { "s3:if-none-match" = "false" } }
    },
    {
      # Answers that Lambda does not hand on are fetched here, by a link that the function signs.
      sid       = "KeepLargeAnswers"
      actions   = ["s3:PutObject", "s3:GetObject"]
      resources = ["${var.lake.bucket_arn}/answers/*"]
    },
    {
      # What lies in quarantine and is usable now is sent again.
      sid       = "Replay"
      actions   = ["sqs:SendMessage"]
      resources = [var.event_queue.queue_arn]
    },
    {
      # Of the whole bucket: with a condition on the prefix S3 would answer 403 instead of 404 for an object that is
      # not there, and "there is no next entry of the log" would look like trouble.
      sid       = "ListBucket"
      actions   = ["s3:ListBucket"]
      resources = [var.lake.bucket_arn]
    },
    {
      sid       = "MeasureQueues"
      actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
      resources = [var.event_queue.queue_arn, var.event_queue.dead_letter_queue_arn]
    },
  ]
}

module "api" {
  source = "../http-api"
  create = var.create

  name                = local.function_name
  description         = "Headwater: questions"
  function_name       = module.function.name
  invoke_arn          = module.function.invoke_arn
  requests_per_second = var.requests_per_second
  tags                = var.tags
}
