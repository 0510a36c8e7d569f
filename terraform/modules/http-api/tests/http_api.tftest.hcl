mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      api_endpoint  = "https://mocked.execute-api.eu-central-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:mocked"
    }
  }
}

variables {
  name                = "headwater-query"
  description         = "Headwater: questions"
  function_name       = "headwater-query"
  invoke_arn          = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:mocked/invocations"
  requests_per_second = 5
}

run "only_the_api_may_call_the_function" {
  assert {
    condition     = aws_lambda_permission.api[0].principal == "apigateway.amazonaws.com" && aws_lambda_permission.api[0].source_arn == "${aws_apigatewayv2_api.api[0].execution_arn}/*"
    error_message = "Somebody else may call the function."
  }
  assert {
    condition     = output.url == "https://mocked.execute-api.eu-central-1.amazonaws.com"
    error_message = "The address is not the API's."
  }
}

run "every_request_goes_to_the_function_and_is_held_to_a_rate" {
  assert {
    condition     = aws_apigatewayv2_route.api[0].route_key == "$default" && aws_apigatewayv2_integration.api[0].integration_uri == var.invoke_arn && aws_apigatewayv2_integration.api[0].payload_format_version == "2.0"
    error_message = "Requests go elsewhere, or not as the function reads them."
  }
  assert {
    condition     = one(aws_apigatewayv2_stage.api[0].default_route_settings).throttling_rate_limit == 5
    error_message = "The API does not hold requests to the rate."
  }
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.url == null && output.id == null
    error_message = "Something was made."
  }
}
