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
  mock_resource "aws_cloudfront_distribution" {
    defaults = {
      domain_name = "mocked.cloudfront.net"
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
  event_queue = {
    queue_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
    queue_arn = "arn:aws:sqs:eu-central-1:123456789012:events"
  }
}

run "the_function_may_send_read_keys_and_make_salts_but_not_change_them" {
  assert {
    condition = [for statement in jsondecode(module.function.policy).Statement : [statement.Action, statement.Resource]] == [
      [["sqs:SendMessage"], [var.event_queue.queue_arn]],
      [["s3:GetObject"], ["${var.lake.bucket_arn}/config/projects.json", "${var.lake.bucket_arn}/config/salts/*"]],
      [["s3:PutObject"], ["${var.lake.bucket_arn}/config/salts/*"]],
      [["s3:ListBucket"], [var.lake.bucket_arn]],
      [["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-central-1:123456789012:log-group:mocked:*"]],
    ]
    error_message = "The function may do something else."
  }
  assert {
    condition     = jsondecode(module.function.policy).Statement[2].Condition.Null["s3:if-none-match"] == "false"
    error_message = "A day's salt may be changed."
  }
}

run "events_are_never_cached_and_reach_the_function_with_the_visitors_place" {
  assert {
    condition = (
      one(aws_cloudfront_distribution.collector[0].default_cache_behavior).cache_policy_id == aws_cloudfront_cache_policy.never[0].id &&
      aws_cloudfront_cache_policy.never[0].max_ttl == 0 &&
      contains(one(aws_cloudfront_distribution.collector[0].default_cache_behavior).allowed_methods, "POST")
    )
    error_message = "Events are cached, or cannot be posted."
  }
  assert {
    condition = (
      one(aws_cloudfront_origin_request_policy.all[0].headers_config).header_behavior == "allExcept" &&
      one(one(aws_cloudfront_origin_request_policy.all[0].headers_config).headers).items == toset(["host"]) &&
      one(aws_cloudfront_origin_request_policy.all[0].query_strings_config).query_string_behavior == "all"
    )
    error_message = "The function does not get keys, query or place, or the API gets a host that it does not know."
  }
  assert {
    condition     = one(aws_cloudfront_distribution.collector[0].origin).domain_name == "mocked.execute-api.eu-central-1.amazonaws.com"
    error_message = "CloudFront asks somebody else."
  }
}

run "the_tracker_and_settings_are_cached_as_the_collector_says" {
  assert {
    condition     = aws_cloudfront_distribution.collector[0].ordered_cache_behavior[*].path_pattern == tolist(["/hw.js", "/v1/projects/*/settings"])
    error_message = "Other paths are cached."
  }
  assert {
    condition     = aws_cloudfront_cache_policy.as_said[0].default_ttl == 0 && aws_cloudfront_cache_policy.as_said[0].max_ttl == 86400
    error_message = "An answer without Cache-Control would be cached, or one with it not."
  }
}

run "a_secret_is_made_that_only_cloudfront_and_the_function_know" {
  assert {
    condition     = can(regex("^[0-9a-f-]{36}$", nonsensitive(local.origin_secrets[0])))
    error_message = "There is no secret."
  }
  assert {
    condition     = one(one(aws_cloudfront_distribution.collector[0].origin).custom_header).name == "x-headwater-origin" && one(one(aws_cloudfront_distribution.collector[0].origin).custom_header).value == local.origin_secrets[0]
    error_message = "CloudFront does not prove itself."
  }
}

run "a_secret_can_be_changed_while_the_former_one_is_still_believed" {
  variables {
    origin_secrets = ["the-new-secret-of-the-origin", "the-old-secret-of-the-origin"]
  }
  assert {
    condition     = one(one(aws_cloudfront_distribution.collector[0].origin).custom_header).value == "the-new-secret-of-the-origin"
    error_message = "CloudFront does not send the first secret."
  }
  assert {
    condition     = nonsensitive(join(",", local.origin_secrets)) == "the-new-secret-of-the-origin,the-old-secret-of-the-origin" && length(terraform_data.origin_secret) == 0
    error_message = "The function does not believe both."
  }
}

run "the_address_is_cloudfronts_or_ones_own" {
  assert {
    condition     = nonsensitive(module.function.environment["HEADWATER_PUBLIC_HOST"]) == "mocked.cloudfront.net"
    error_message = "The function tells browsers another address."
  }
  assert {
    condition     = output.url == "https://mocked.cloudfront.net"
    error_message = "The address is not the distribution's."
  }
}

run "a_domain_of_ones_own_takes_modern_tls_only" {
  variables {
    domain = {
      name            = "events.example.com"
      certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    }
  }
  assert {
    condition     = output.url == "https://events.example.com" && aws_cloudfront_distribution.collector[0].aliases == toset(["events.example.com"])
    error_message = "The domain is not used."
  }
  assert {
    condition     = one(aws_cloudfront_distribution.collector[0].viewer_certificate).minimum_protocol_version == "TLSv1.2_2021"
    error_message = "Old TLS is taken."
  }
}

run "a_certificate_that_cloudfront_cannot_use_is_refused" {
  command = plan
  variables {
    domain = {
      name            = "events.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    }
  }
  expect_failures = [var.domain]
}

run "a_secret_that_can_be_guessed_is_refused" {
  command = plan
  variables {
    origin_secrets = ["secret"]
  }
  expect_failures = [var.origin_secrets]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.url == null && output.function_arn == null && output.api_id == null && length(terraform_data.origin_secret) == 0
    error_message = "Something was made."
  }
}
