# Alarms, each a sign that somebody must act, one page with what one looks at then, and a budget.

data "aws_region" "current" {}

locals {
  # What the compactor's log says of each drain becomes figures here.
  namespace = "Headwater/${var.name}"
  drained   = toset(["stored", "quarantined", "duplicates", "conflicts"])

  alarms = merge(
    {
      dead-letters = {
        description = "Messages could not be stored, however often they were tried. They are kept for 14 days: docs/operations/incidents.md says how to put them back."
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = var.event_queue.dead_letter_queue_name }
        statistic   = "Maximum"
        threshold   = 0
        period      = 60
        periods     = 1
      }
      queue-age = {
        description = "Events wait for longer than ${var.queue_age_seconds} s before they are stored."
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        dimensions  = { QueueName = var.event_queue.queue_name }
        statistic   = "Maximum"
        threshold   = var.queue_age_seconds
        period      = 60
        periods     = 3
      }
      quarantine = {
        description = "More than ${var.quarantined_events} events an hour cannot be used. They are kept with the reason: docs/operations/incidents.md."
        namespace   = local.namespace
        metric      = "quarantined"
        dimensions  = {}
        statistic   = "Sum"
        threshold   = var.quarantined_events
        period      = 3600
        periods     = 1
      }
      compactor-errors = {
        description = "The compactor ended with an error, or ran into its time limit. Nothing is lost: its messages come again."
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = var.compactor.function_name }
        statistic   = "Sum"
        threshold   = 2
        period      = 60
        periods     = 3
      }
      query-errors = {
        description = "The function that answers questions ended with an error."
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = var.query.function_name }
        statistic   = "Sum"
        threshold   = 2
        period      = 60
        periods     = 3
      }
      query-slow = {
        description = "One answer in twenty takes longer than ${var.slow_answer_seconds} s."
        namespace   = "AWS/Lambda"
        metric      = "Duration"
        dimensions  = { FunctionName = var.query.function_name }
        statistic   = "p95"
        threshold   = var.slow_answer_seconds * 1000
        period      = 300
        periods     = 3
      }
    },
    var.collector == null ? {} : {
      collector-errors = {
        description = "The function that takes events ended with an error."
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = var.collector.function_name }
        statistic   = "Sum"
        threshold   = 2
        period      = 60
        periods     = 3
      }
      # A client that is told 503 keeps its events and tries again, but not for ever.
      events-not-taken = {
        description = "Events are answered 5xx: the queue or projects.json cannot be reached."
        namespace   = "AWS/ApiGateway"
        metric      = "5xx"
        dimensions  = { ApiId = var.collector.api_id }
        statistic   = "Sum"
        threshold   = 5
        period      = 60
        periods     = 2
      }
    },
  )

  # A percentile is no statistic to CloudWatch but an extended one.
  is_percentile = { for name, alarm in local.alarms : name => startswith(alarm.statistic, "p") }

  widgets = concat(
    [
      { title = "Lag: age of the oldest message (s)", metrics = [
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.event_queue.queue_name, { stat = "Maximum", label = "age" }],
      ] },
      { title = "Throughput: events", metrics = [
        [local.namespace, "stored", { stat = "Sum", label = "stored" }],
        [local.namespace, "duplicates", { stat = "Sum", label = "duplicates removed" }],
      ] },
      { title = "Quarantine: events that cannot be used", metrics = [
        [local.namespace, "quarantined", { stat = "Sum", label = "quarantined" }],
      ] },
      { title = "Messages", metrics = [
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.event_queue.queue_name, { stat = "Sum", label = "sent" }],
        ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", var.event_queue.queue_name, { stat = "Sum", label = "stored" }],
      ] },
      { title = "Messages that wait", metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.event_queue.queue_name, { stat = "Maximum", label = "waiting" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.event_queue.dead_letter_queue_name, { stat = "Maximum", label = "dead letters" }],
      ] },
      { title = "Compactor", metrics = [
        ["AWS/Lambda", "Invocations", "FunctionName", var.compactor.function_name, { stat = "Sum", label = "runs" }],
        ["AWS/Lambda", "Errors", "FunctionName", var.compactor.function_name, { stat = "Sum", label = "errors" }],
        ["AWS/Lambda", "Throttles", "FunctionName", var.compactor.function_name, { stat = "Sum", label = "throttled" }],
        [local.namespace, "conflicts", { stat = "Sum", label = "conflicts" }],
        ["AWS/Lambda", "Duration", "FunctionName", var.compactor.function_name, { stat = "p95", label = "duration p95 (ms)", yAxis = "right" }],
      ] },
      { title = "Questions", metrics = [
        ["AWS/Lambda", "Invocations", "FunctionName", var.query.function_name, { stat = "Sum", label = "asked" }],
        ["AWS/Lambda", "Errors", "FunctionName", var.query.function_name, { stat = "Sum", label = "errors" }],
        ["AWS/Lambda", "Duration", "FunctionName", var.query.function_name, { stat = "p50", label = "duration p50 (ms)", yAxis = "right" }],
        ["AWS/Lambda", "Duration", "FunctionName", var.query.function_name, { stat = "p95", label = "duration p95 (ms)", yAxis = "right" }],
      ] },
      { title = "Bytes in the bucket", metrics = [
        ["AWS/S3", "BucketSizeBytes", "BucketName", var.lake.bucket, "StorageType", "StandardStorage", { stat = "Maximum", label = "bytes", period = 86400 }],
      ] },
    ],
    var.collector == null ? [] : [
      { title = "Collector", metrics = [
        ["AWS/ApiGateway", "Count", "ApiId", var.collector.api_id, { stat = "Sum", label = "requests" }],
        ["AWS/ApiGateway", "4xx", "ApiId", var.collector.api_id, { stat = "Sum", label = "refused" }],
        ["AWS/ApiGateway", "5xx", "ApiId", var.collector.api_id, { stat = "Sum", label = "to be sent again" }],
        ["AWS/Lambda", "Duration", "FunctionName", var.collector.function_name, { stat = "p95", label = "duration p95 (ms)", yAxis = "right" }],
      ] },
    ],
    # Only there, and only of the whole account. Billing alerts must be switched on in the account.
    [{ title = "Cost: the account's charges of this month (USD)", region = "us-east-1", period = 21600, metrics = [
      for service in ["AmazonS3", "AWSLambda", "AWSQueueService", "AmazonApiGateway", "AmazonCloudFront", "AmazonCloudWatch"] :
      ["AWS/Billing", "EstimatedCharges", "ServiceName", service, "Currency", "USD", { stat = "Maximum", label = service }]
    ] }],
  )
}

resource "aws_cloudwatch_log_metric_filter" "drained" {
  for_each = var.create ? local.drained : toset([])

  name           = "${var.name}-${each.key}"
  log_group_name = var.compactor.log_group_name
  pattern        = "{ $.message = \"drained\" }"

  metric_transformation {
    namespace = local.namespace
    name      = each.key
    value     = "$.${each.key}"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.create }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = local.is_percentile[each.key] ? null : each.value.statistic
  extended_statistic  = local.is_percentile[each.key] ? each.value.statistic : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.period
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
        region  = lookup(widget, "region", data.aws_region.current.name)
        view    = "timeSeries"
        period  = lookup(widget, "period", 60)
        metrics = widget.metrics
      }
    }]
  })
}

resource "aws_budgets_budget" "month" {
  count = var.create && var.budget != null ? 1 : 0

  name         = "${var.name}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.budget.dollars)
  tags         = var.tags

  dynamic "cost_filter" {
    for_each = var.budget.tag == null ? [] : [var.budget.tag]

    content {
      name   = "TagKeyValue"
      values = [format("user:%s$%s", cost_filter.value.key, cost_filter.value.value)]
    }
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.budget.emails
      subscriber_sns_topic_arns  = var.budget.topics
    }
  }
}
