# The function that stores events: fed by the queue, and woken by schedules for maintenance.

locals {
  function_name = "${var.name}-compactor"

  # A function must be able to finish several times over before its messages are shown to another one.
  least_visibility_timeout = 6 * var.time_limit_seconds

  statements = concat(
    [
      {
        Sid      = "DrainQueue"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
        Resource = var.queue_arn
      },
      {
        Sid      = "WriteTables"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = "${var.bucket_arn}/lake/*"
      },
      {
        # Of the whole bucket: with a condition on the prefix S3 would answer 403 instead of 404 for an object that is
        # not there, and "there is no next entry of the log" would look like trouble.
        Sid      = "ListBucket"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.bucket_arn
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.compactor.arn}:*"
      },
    ],
    length(var.kms_key_arns) == 0 ? [] : [{
      Sid      = "UseKeys"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arns
    }],
  )

  schedules = merge(
    { maintain = var.maintenance_schedule },
    var.drain_schedule == null ? {} : { drain = var.drain_schedule },
  )
}

resource "aws_cloudwatch_log_group" "compactor" {
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "compactor" {
  name = local.function_name
  path = "/headwater/"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "compactor" {
  name   = "store-events"
  role   = aws_iam_role.compactor.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# By way of the bucket, because Lambda takes no more than 50 MB directly.
resource "aws_s3_object" "package" {
  bucket      = var.bucket
  key         = "packages/compactor.zip"
  source      = var.package_file
  source_hash = filesha256(var.package_file)
  tags        = var.tags
}

resource "aws_lambda_function" "compactor" {
  depends_on = [aws_iam_role_policy.compactor]

  function_name    = local.function_name
  description      = "Headwater: moves events from the queue to the lake"
  role             = aws_iam_role.compactor.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  s3_bucket        = aws_s3_object.package.bucket
  s3_key           = aws_s3_object.package.key
  source_code_hash = filebase64sha256(var.package_file)
  memory_size      = var.memory_mb
  timeout          = var.time_limit_seconds
  tags             = var.tags

  # No reserved concurrency: when it is used up, the event source goes on receiving, and good messages become dead
  # letters. `maximum_concurrency` below holds the number down without that.

  environment {
    variables = {
      HEADWATER_LAKE_URL           = var.lake_url
      HEADWATER_QUEUE_URL          = var.queue_url
      HEADWATER_LOOK_BACK_DAYS     = tostring(var.look_back_days)
      HEADWATER_TIME_LIMIT_SECONDS = tostring(var.time_limit_seconds)
      HEADWATER_FURTHER_RECEIVES   = tostring(var.further_receives)
      HEADWATER_LOG                = var.log
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.compactor.name
  }

  lifecycle {
    precondition {
      condition     = var.queue_visibility_timeout_seconds >= local.least_visibility_timeout
      error_message = "The queue's visibility timeout must be at least six times the compactor's time limit (${local.least_visibility_timeout} s): raise visibility_timeout_seconds of the queue or lower time_limit_seconds."
    }
  }
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn                   = var.queue_arn
  function_name                      = aws_lambda_function.compactor.arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.window_seconds
  function_response_types            = ["ReportBatchItemFailures"]
  enabled                            = var.drain_on_arrival
  tags                               = var.tags

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }
}

resource "aws_iam_role" "schedule" {
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
  name = "wake-compactor"
  role = aws_iam_role.schedule.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WakeCompactor"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = aws_lambda_function.compactor.arn
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
    arn      = aws_lambda_function.compactor.arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({ job = each.key })

    # The next one comes soon enough.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 300
    }
  }
}
