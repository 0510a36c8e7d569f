mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mocked"
    }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      api_endpoint  = "https://mocked.execute-api.eu-central-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:mocked"
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
    bucket       = "lake-bucket"
    bucket_arn   = "arn:aws:s3:::lake-bucket"
    lake_url     = "s3://lake-bucket/lake"
    projects_url = "s3://lake-bucket/config/projects.json"
  }
  event_queue = {
    queue_url             = "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
    queue_arn             = "arn:aws:sqs:eu-central-1:123456789012:events"
    dead_letter_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:events-dead"
  }
}

run "the_function_reads_and_may_write_nothing_but_empty_tables_large_answers_and_replays" {
  assert {
    condition = [for statement in jsondecode(module.function.policy).Statement : statement.Sid if anytrue([
    for action in statement.Action : !can(regex("^(s3:(GetObject|ListBucket)|sqs:Get.*|logs:.*)$", action))])] == ["MakeEmptyTables", "RecordErasures", "KeepLargeAnswers", "Replay"]
    error_message = "The function may do more than read."
  }
  assert {
    condition     = jsondecode(module.function.policy).Statement[1].Condition.Null["s3:if-none-match"] == "false"
    error_message = "The function may overwrite the beginning of a log."
  }
  assert {
    condition     = jsondecode(module.function.policy).Statement[3].Resource == ["arn:aws:s3:::lake-bucket/answers/*"]
    error_message = "Answers may be put elsewhere."
  }
  assert {
    condition     = output.url == "https://mocked.execute-api.eu-central-1.amazonaws.com"
    error_message = "The address is not the API's."
  }
}

run "a_time_limit_that_the_api_does_not_wait_for_is_refused" {
  command = plan
  variables {
    time_limit_seconds = 60
  }
  expect_failures = [var.time_limit_seconds]
}

run "a_lake_that_the_function_may_not_read_is_refused" {
  command = plan
  variables {
    lake = {
      bucket       = "lake-bucket"
      bucket_arn   = "arn:aws:s3:::lake-bucket"
      lake_url     = "s3://lake-bucket/tables"
      projects_url = "s3://lake-bucket/config/projects.json"
    }
  }
  expect_failures = [var.lake]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = jsondecode(module.function.policy).Statement[3].Resource == ["arn:aws:s3:::lake-bucket/answers/*"]
    error_message = "Answers may be put elsewhere."
  }
  assert {
    condition     = output.url == null && output.function_arn == null
    error_message = "Something was made."
  }
}
