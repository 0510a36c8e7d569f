mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mocked"
    }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:eu-central-1:123456789012:function:mocked"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:mocked/invocations"
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
  name                  = "headwater"
  package_file          = "./versions.tf"
  bucket                = "lake-bucket"
  bucket_arn            = "arn:aws:s3:::lake-bucket"
  lake_url              = "s3://lake-bucket/lake"
  projects_url          = "s3://lake-bucket/config/projects.json"
  queue_url             = "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
  queue_arn             = "arn:aws:sqs:eu-central-1:123456789012:events"
  dead_letter_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:events-dead"
}

run "the_function_reads_and_may_write_nothing_but_empty_tables" {
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.query.policy).Statement : statement.Sid if anytrue([
    for action in flatten([statement.Action]) : !can(regex("^(s3:(GetObject|ListBucket)|sqs:Get.*|logs:.*)$", action))])] == ["MakeEmptyTables"]
    error_message = "The function may do more than read."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.query.policy).Statement[1].Condition.Null["s3:if-none-match"] == "false"
    error_message = "The function may overwrite the beginning of a log."
  }
}

run "only_the_api_may_call_the_function" {
  assert {
    condition     = aws_lambda_permission.api.principal == "apigateway.amazonaws.com" && aws_lambda_permission.api.source_arn == "${aws_apigatewayv2_api.query.execution_arn}/*"
    error_message = "Somebody else may call the function."
  }
  assert {
    condition     = output.url == "https://mocked.execute-api.eu-central-1.amazonaws.com"
    error_message = "The address is not the API's."
  }
}

run "requests_are_held_to_a_rate" {
  variables {
    requests_per_second = 5
  }
  assert {
    condition     = one(aws_apigatewayv2_stage.query.default_route_settings).throttling_rate_limit == 5
    error_message = "The API does not hold requests to the rate."
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
    lake_url = "s3://lake-bucket/tables"
  }
  expect_failures = [var.lake_url]
}
