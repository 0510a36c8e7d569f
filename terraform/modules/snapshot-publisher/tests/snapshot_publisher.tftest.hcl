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
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = {
      arn = "arn:aws:events:eu-central-1:123456789012:rule/mocked"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }
  mock_data "aws_region" {
    defaults = {
      name = "eu-central-1"
    }
  }
}

variables {
  name         = "headwater"
  package_file = "./versions.tf"
  lake = {
    bucket       = "lake-bucket"
    bucket_arn   = "arn:aws:s3:::lake-bucket"
    projects_url = "s3://lake-bucket/config/projects.json"
  }
  cloudflare = {
    account_id   = "0123456789abcdef0123456789abcdef"
    namespace_id = "fedcba9876543210fedcba9876543210"
  }
  token_parameter = "/headwater/cloudflare-token"
}

run "the_function_may_read_projects_and_one_token_and_nothing_else" {
  assert {
    condition = [for statement in jsondecode(module.function.policy).Statement : [statement.Action, statement.Resource]] == [
      [["s3:GetObject"], ["arn:aws:s3:::lake-bucket/config/projects.json"]],
      [["ssm:GetParameter"], ["arn:aws:ssm:eu-central-1:123456789012:parameter/headwater/cloudflare-token"]],
      [["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-central-1:123456789012:log-group:mocked:*"]],
    ]
    error_message = "The function may do something else."
  }
}

run "a_change_of_projects_and_the_clock_call_the_function" {
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.call["changed"].event_pattern) == {
      source      = ["aws.s3"]
      detail-type = ["Object Created"]
      detail      = { bucket = { name = ["lake-bucket"] }, object = { key = ["config/projects.json"] } }
    }
    error_message = "A change is not noticed, or anything is."
  }
  assert {
    condition     = aws_cloudwatch_event_rule.call["compare"].schedule_expression == "rate(1 hour)"
    error_message = "A change of which word was lost is never published."
  }
  assert {
    condition = alltrue([for name in ["changed", "compare"] :
    aws_cloudwatch_event_target.call[name].arn == output.function_arn && aws_lambda_permission.call[name].source_arn == aws_cloudwatch_event_rule.call[name].arn])
    error_message = "A rule may not call the function."
  }
}

run "a_parameter_without_a_slash_is_refused" {
  command = plan
  variables {
    token_parameter = "cloudflare-token"
  }
  expect_failures = [var.token_parameter]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.function_arn == null && length(aws_cloudwatch_event_rule.call) == 0
    error_message = "Something was made."
  }
}
