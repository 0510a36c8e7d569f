# The function that stores events: fed by the queue, and woken by schedules for maintenance.

locals {
  function_name = "${var.name}-compactor"

  # A function must be able to finish several times over before its messages are shown to another one.
  least_visibility_timeout = 6 * var.time_limit_seconds

  schedules = var.create ? merge(
    { maintain = var.maintenance_schedule },
    var.drain_schedule == null ? {} : { drain = var.drain_schedule },
  ) : {}
}

module "function" {
  source = "../function"
  create = var.create

  name               = local.function_name
  description        = "Headwater: moves events from the queue to the lake"
  package            = "compactor"
  package_file       = var.package_file
  architecture       = var.architecture
  bucket             = var.lake.bucket
  memory_mb          = var.memory_mb
  time_limit_seconds = var.time_limit_seconds
  kms_key_arns       = compact([var.lake.kms_key_arn, var.event_queue.kms_key_arn])
  log                = var.log
  log_retention_days = var.log_retention_days
  log_kms_key_arn    = var.log_kms_key_arn
  tags               = var.tags

  # No reserved concurrency: when it is used up, the event source goes on receiving, and good messages become dead
  # letters. `maximum_concurrency` below holds the number down without that.

  environment = {
    HEADWATER_LAKE_URL           = var.lake.lake_url
    HEADWATER_QUEUE_URL          = var.event_queue.queue_url
    HEADWATER_LOOK_BACK_DAYS     = tostring(var.look_back_days)
    HEADWATER_TIME_LIMIT_SECONDS = tostring(var.time_limit_seconds)
    HEADWATER_FURTHER_RECEIVES   = tostring(var.further_receives)
  }

  statements = [
    {
      sid       = "DrainQueue"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
      resources = [var.event_queue.queue_arn]
    },
    {
      sid       = "WriteTables"
      actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      resources = ["${var.lake.bucket_arn}/lake/*"]
    },
    {
      # Of the whole bucket: with a condition on the prefix S3 would answer 403 instead of 404 for an object that is
      # not there, and "there is no next entry of the log" would look like trouble.
      sid       = "ListBucket"
      actions   = ["s3:ListBucket"]
      resources = [var.lake.bucket_arn]
    },
  ]
}

resource "aws_lambda_event_source_mapping" "queue" {
  count = var.create ? 1 : 0

  event_source_arn                   = var.event_queue.queue_arn
  function_name                      = module.function.arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.window_seconds
  function_response_types            = ["ReportBatchItemFailures"]
  enabled                            = var.drain_on_arrival
  tags                               = var.tags

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  lifecycle {
    precondition {
      condition     = var.event_queue.visibility_timeout_seconds >= local.least_visibility_timeout
      error_message = "The queue's visibility timeout must be at least six times the compactor's time limit (${local.least_visibility_timeout} s): raise visibility_timeout_seconds of the queue or lower time_limit_seconds."
    }
  }
}

resource "aws_iam_role" "schedule" {
  count = var.create ? 1 : 0

  name = "${local.function_name}-schedule"
  path = "/headwater/"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  count = var.create ? 1 : 0

  name = "wake-compactor"
  role = aws_iam_role.schedule[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WakeCompactor"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = module.function.arn
    }]
  })
}

resource "aws_scheduler_schedule" "job" {
  for_each = local.schedules

  name                = "${local.function_name}-${each.key}"
  description         = "Headwater: ${each.key}"
  schedule_expression = each.value

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.function.arn
    role_arn = aws_iam_role.schedule[0].arn
    input    = jsonencode({ job = each.key })

    # The next one comes soon enough.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 300
    }
  }
}
