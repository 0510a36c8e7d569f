mock_provider "aws" {
  mock_data "aws_region" {
    defaults = {
      name = "eu-central-1"
    }
  }
}

variables {
  name          = "headwater"
  lake          = { bucket = "headwater-lake" }
  event_queue   = { queue_name = "headwater-events", dead_letter_queue_name = "headwater-events-dead" }
  compactor     = { function_name = "headwater-compactor", log_group_name = "/aws/lambda/headwater-compactor" }
  query         = { function_name = "headwater-query" }
  alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
}

run "one_dead_letter_is_an_alarm" {
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.alarm["dead-letters"].threshold == 0 &&
      aws_cloudwatch_metric_alarm.alarm["dead-letters"].evaluation_periods == 1 &&
      aws_cloudwatch_metric_alarm.alarm["dead-letters"].dimensions == tomap({ QueueName = "headwater-events-dead" })
    )
    error_message = "A dead letter goes unnoticed."
  }
}

run "every_alarm_tells_somebody_when_it_begins_and_when_it_ends" {
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarm :
    alarm.alarm_actions == toset(var.alarm_actions) && alarm.ok_actions == toset(var.alarm_actions)])
    error_message = "An alarm tells nobody."
  }
}

run "the_dashboard_shows_lag_throughput_quarantine_questions_and_cost" {
  assert {
    condition = alltrue([for title in ["Lag: age of the oldest message (s)", "Throughput: events", "Quarantine: events that cannot be used", "Questions", "Cost: the account's charges of this month (USD)"] :
    contains(jsondecode(aws_cloudwatch_dashboard.headwater[0].dashboard_body).widgets[*].properties.title, title)])
    error_message = "Something is missing from the dashboard."
  }
  assert {
    condition     = distinct(jsondecode(aws_cloudwatch_dashboard.headwater[0].dashboard_body).widgets[*].properties.region) == tolist(["eu-central-1", "us-east-1"])
    error_message = "The dashboard is of another region, or looks for charges where there are none."
  }
}

run "what_a_drain_logs_becomes_figures_and_many_quarantined_events_an_alarm" {
  assert {
    condition = alltrue([for name, filter in aws_cloudwatch_log_metric_filter.drained :
    filter.pattern == "{ $.message = \"drained\" }" && one(filter.metric_transformation).value == "$.${name}"])
    error_message = "The log is read otherwise than it is written."
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.alarm["quarantine"].namespace == one(aws_cloudwatch_log_metric_filter.drained["quarantined"].metric_transformation).namespace &&
      aws_cloudwatch_metric_alarm.alarm["quarantine"].metric_name == one(aws_cloudwatch_log_metric_filter.drained["quarantined"].metric_transformation).name &&
      aws_cloudwatch_metric_alarm.alarm["quarantine"].threshold == 100
    )
    error_message = "The alarm looks at another figure."
  }
}

run "slow_answers_are_an_alarm_by_their_95th_percentile" {
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.alarm["query-slow"].extended_statistic == "p95" &&
      aws_cloudwatch_metric_alarm.alarm["query-slow"].statistic == null &&
      aws_cloudwatch_metric_alarm.alarm["query-slow"].threshold == 10000
    )
    error_message = "Slow answers go unnoticed."
  }
}

run "a_collector_that_cannot_take_events_is_an_alarm" {
  variables {
    collector = { function_name = "headwater-collector", api_id = "api" }
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["events-not-taken"].dimensions == tomap({ ApiId = "api" })
    error_message = "Events that are not taken go unnoticed."
  }
}

run "a_month_that_grows_dear_tells_somebody_before_and_by_forecast" {
  variables {
    budget = {
      dollars = 50
      emails  = ["somebody@example.com"]
      tag     = { key = "deployment", value = "headwater" }
    }
  }
  assert {
    condition     = tomap({ for notification in aws_budgets_budget.month[0].notification : notification.notification_type => notification.threshold }) == tomap({ ACTUAL = 80, FORECASTED = 100 })
    error_message = "Nobody is told."
  }
  assert {
    condition     = aws_budgets_budget.month[0].limit_amount == "50" && one(aws_budgets_budget.month[0].cost_filter).values == tolist(["user:deployment$headwater"])
    error_message = "Other costs are counted."
  }
}

run "a_budget_that_tells_nobody_is_refused" {
  command = plan
  variables {
    budget = { dollars = 50 }
  }
  expect_failures = [var.budget]
}

run "an_age_that_every_message_reaches_is_refused" {
  command = plan
  variables {
    queue_age_seconds = 10
  }
  expect_failures = [var.queue_age_seconds]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.dashboard_name == null && length(output.alarm_names) == 0
    error_message = "Something was made."
  }
}
