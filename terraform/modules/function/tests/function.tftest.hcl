mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/mocked"
    }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked"
    }
  }
}

variables {
  name               = "headwater-compactor"
  description        = "Headwater: a function"
  package            = "compactor"
  package_file       = "./versions.tf"
  bucket             = "lake-bucket"
  memory_mb          = 1024
  time_limit_seconds = 120
  environment        = { HEADWATER_LAKE_URL = "s3://lake-bucket/lake" }
  statements = [
    { sid = "Read", actions = ["s3:GetObject"], resources = ["arn:aws:s3:::lake-bucket/lake/*"] },
    { sid = "Begin", actions = ["s3:PutObject"], resources = ["arn:aws:s3:::lake-bucket/lake/*"], condition = { Null = { "s3:if-none-match" = "false" } } },
  ]
}

run "the_role_may_do_what_is_named_and_write_its_own_log" {
  assert {
    condition = jsondecode(aws_iam_role_policy.function[0].policy).Statement == [
      { Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:aws:s3:::lake-bucket/lake/*"] },
      { Sid = "Begin", Effect = "Allow", Action = ["s3:PutObject"], Resource = ["arn:aws:s3:::lake-bucket/lake/*"], Condition = { Null = { "s3:if-none-match" = "false" } } },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["${aws_cloudwatch_log_group.function[0].arn}:*"] },
    ]
    error_message = "The role may do something else."
  }
  assert {
    condition     = output.policy == aws_iam_role_policy.function[0].policy
    error_message = "The output is not the policy."
  }
}

run "the_code_comes_from_the_bucket_and_changes_with_the_file" {
  assert {
    condition     = aws_lambda_function.function[0].s3_key == "packages/compactor.zip" && aws_lambda_function.function[0].source_code_hash == filebase64sha256("./versions.tf")
    error_message = "A new zip would not be deployed."
  }
  assert {
    condition     = one(aws_lambda_function.function[0].environment).variables == tomap({ HEADWATER_LAKE_URL = "s3://lake-bucket/lake", HEADWATER_LOG = "info" })
    error_message = "The environment is not what was given."
  }
}

run "the_log_is_kept_for_a_month_and_encrypted_by_a_key_of_ones_own" {
  variables {
    log_kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
  }
  assert {
    condition     = aws_cloudwatch_log_group.function[0].retention_in_days == 30 && aws_cloudwatch_log_group.function[0].kms_key_id == var.log_kms_key_arn
    error_message = "The log is kept otherwise."
  }
  assert {
    condition     = one(aws_lambda_function.function[0].logging_config).log_group == "/aws/lambda/headwater-compactor"
    error_message = "The function logs somewhere else."
  }
}

run "an_action_with_a_wildcard_is_refused" {
  command = plan
  variables {
    statements = [{ sid = "Anything", actions = ["s3:*"], resources = ["arn:aws:s3:::lake-bucket/*"] }]
  }
  expect_failures = [var.statements]
}

run "a_zip_that_is_not_there_is_refused" {
  command = plan
  variables {
    package_file = "./nothing.zip"
  }
  expect_failures = [var.package_file]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create       = false
    package_file = "./nothing.zip"
  }
  assert {
    condition     = output.arn == null && output.role_name == null && output.log_group_name == null
    error_message = "Something was made."
  }
}
