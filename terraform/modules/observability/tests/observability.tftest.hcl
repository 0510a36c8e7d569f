mock_provider "aws" {
  mock_data "aws_region" {
    defaults = {
      name = "eu-central-1"
    }
  }
}

variables {
  name                    = "headwater"
  queue_name              = "headwater-events"
  dead_letter_queue_name  = "headwater-events-dead"
  compactor_function_name = "headwater-compactor"
  query_function_name     = "headwater-query"
  bucket                  = "headwater-lake"
  alarm_actions           = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
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

run "the_dashboard_shows_lag_throughput_and_questions_of_this_region" {
  assert {
    condition = alltrue([for title in ["Messages", "Lag: age of the oldest message (s)", "Questions"] :
    contains(jsondecode(aws_cloudwatch_dashboard.headwater[0].dashboard_body).widgets[*].properties.title, title)])
    error_message = "Something is missing from the dashboard."
  }
  assert {
    condition     = distinct(jsondecode(aws_cloudwatch_dashboard.headwater[0].dashboard_body).widgets[*].properties.region) == tolist(["eu-central-1"])
    error_message = "The dashboard is of another region."
  }
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
