mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mocked"
    }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn = "arn:aws:lambda:eu-central-1:123456789012:function:mocked"
    }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked"
    }
  }
}

variables {
  name         = "headwater"
  package_file = "./versions.tf"
  lake = {
    bucket     = "lake-bucket"
    bucket_arn = "arn:aws:s3:::lake-bucket"
    lake_url   = "s3://lake-bucket/lake"
  }
  event_queue = {
    queue_url                  = "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
    queue_arn                  = "arn:aws:sqs:eu-central-1:123456789012:events"
    visibility_timeout_seconds = 720
  }
}

run "the_function_may_drain_one_queue_write_below_lake_and_log" {
  assert {
    condition = jsondecode(module.function.policy).Statement[*].Resource == [
      [var.event_queue.queue_arn], ["${var.lake.bucket_arn}/lake/*"], [var.lake.bucket_arn], ["arn:aws:logs:eu-central-1:123456789012:log-group:mocked:*"]
    ]
    error_message = "The function may reach something else."
  }
  assert {
    condition     = !strcontains(module.function.policy, "\"*\"") && !strcontains(module.function.policy, "sqs:*") && !strcontains(module.function.policy, "s3:*")
    error_message = "There is a wildcard in the policy."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.schedule[0].policy).Statement[*].Resource == [output.function_arn]
    error_message = "The schedule may wake something else."
  }
}

run "keys_of_ones_own_may_be_used" {
  variables {
    lake = {
      bucket      = "lake-bucket"
      bucket_arn  = "arn:aws:s3:::lake-bucket"
      lake_url    = "s3://lake-bucket/lake"
      kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
    }
  }
  assert {
    condition     = jsondecode(module.function.policy).Statement[4] == { Sid = "UseKeys", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.lake.kms_key_arn] }
    error_message = "The function may not use the key, or more than it."
  }
}

run "messages_are_gathered_for_ten_seconds_and_those_that_fail_come_back_alone" {
  assert {
    condition     = aws_lambda_event_source_mapping.queue[0].maximum_batching_window_in_seconds == 10
    error_message = "The window is not ten seconds."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.queue[0].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "A message that fails would bring its whole batch back."
  }
  assert {
    condition     = one(aws_lambda_event_source_mapping.queue[0].scaling_config).maximum_concurrency == 2
    error_message = "More than two runs start at a time."
  }
  assert {
    condition     = module.function.reserved_concurrency == -1
    error_message = "Reserved concurrency makes dead letters of good messages."
  }
}

run "maintenance_runs_every_quarter_of_an_hour" {
  assert {
    condition     = keys(aws_scheduler_schedule.job) == ["maintain"] && aws_scheduler_schedule.job["maintain"].schedule_expression == "rate(15 minutes)"
    error_message = "Maintenance is not scheduled."
  }
  assert {
    condition     = jsondecode(one(aws_scheduler_schedule.job["maintain"].target).input) == { job = "maintain" }
    error_message = "The function is not told to maintain."
  }
}

run "a_schedule_can_drain_instead_of_arrival" {
  variables {
    drain_on_arrival = false
    drain_schedule   = "rate(5 minutes)"
  }
  assert {
    condition     = !aws_lambda_event_source_mapping.queue[0].enabled && jsondecode(one(aws_scheduler_schedule.job["drain"].target).input) == { job = "drain" }
    error_message = "The schedule does not drain."
  }
}

run "a_queue_that_nothing_drains_is_refused" {
  command = plan
  variables {
    drain_on_arrival = false
  }
  expect_failures = [var.drain_schedule]
}

run "a_visibility_timeout_that_is_too_short_is_refused" {
  command = plan
  variables {
    time_limit_seconds = 300
  }
  expect_failures = [aws_lambda_event_source_mapping.queue[0]]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.function_arn == null && length(aws_scheduler_schedule.job) == 0 && length(aws_lambda_event_source_mapping.queue) == 0
    error_message = "Something was made."
  }
}
