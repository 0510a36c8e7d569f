# Alarms, each a sign that somebody must act, and one page with what one looks at then.

data "aws_region" "current" {}

locals {
  alarms = {
    dead-letters = {
      description = "Messages could not be stored, however often they were tried. They are kept for 14 days: docs/operations/deploy-to-aws.md says how to put them back."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum"
      threshold   = 0
      periods     = 1
    }
    queue-age = {
      description = "Events wait for longer than ${var.queue_age_seconds} s before they are stored."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.queue_name }
      statistic   = "Maximum"
      threshold   = var.queue_age_seconds
      periods     = 3
    }
    compactor-errors = {
      description = "The compactor ended with an error, or ran into its time limit. Nothing is lost: its messages come again."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = var.compactor_function_name }
      statistic   = "Sum"
      threshold   = 2
      periods     = 3
    }
    query-errors = {
      description = "The function that answers questions ended with an error."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = var.query_function_name }
      statistic   = "Sum"
      threshold   = 2
      periods     = 3
    }
  }

  widgets = [
    { title = "Messages", metrics = [
      ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.queue_name, { stat = "Sum", label = "sent" }],
      ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", var.queue_name, { stat = "Sum", label = "stored" }],
    ] },
    { title = "Lag: age of the oldest message (s)", metrics = [
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_name, { stat = "Maximum", label = "age" }],
    ] },
    { title = "Messages that wait", metrics = [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name, { stat = "Maximum", label = "waiting" }],
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_queue_name, { stat = "Maximum", label = "dead letters" }],
    ] },
    { title = "Compactor", metrics = [
      ["AWS/Lambda", "Invocations", "FunctionName", var.compactor_function_name, { stat = "Sum", label = "runs" }],
      ["AWS/Lambda", "Errors", "FunctionName", var.compactor_function_name, { stat = "Sum", label = "errors" }],
      ["AWS/Lambda", "Throttles", "FunctionName", var.compactor_function_name, { stat = "Sum", label = "throttled" }],
      ["AWS/Lambda", "Duration", "FunctionName", var.compactor_function_name, { stat = "p95", label = "duration p95 (ms)", yAxis = "right" }],
    ] },
    { title = "Questions", metrics = [
      ["AWS/Lambda", "Invocations", "FunctionName", var.query_function_name, { stat = "Sum", label = "asked" }],
      ["AWS/Lambda", "Errors", "FunctionName", var.query_function_name, { stat = "Sum", label = "errors" }],
      ["AWS/Lambda", "Duration", "FunctionName", var.query_function_name, { stat = "p50", label = "duration p50 (ms)", yAxis = "right" }],
      ["AWS/Lambda", "Duration", "FunctionName", var.query_function_name, { stat = "p95", label = "duration p95 (ms)", yAxis = "right" }],
    ] },
    { title = "Bytes in the bucket", metrics = [
      ["AWS/S3", "BucketSizeBytes", "BucketName", var.bucket, "StorageType", "StandardStorage", { stat = "Maximum", label = "bytes", period = 86400 }],
    ] },
  ]
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.create }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_dashboard" "headwater" {
  count = var.create ? 1 : 0

  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for place, widget in local.widgets : {
      type   = "metric"
      x      = 12 * (place % 2)
      y      = 6 * floor(place / 2)
      width  = 12
      height = 6
      properties = {
        title   = widget.title
        region  = data.aws_region.current.name
        view    = "timeSeries"
        period  = 60
        metrics = widget.metrics
      }
    }]
  })
}
