# The HTTPS address of one function. An HTTP API and not a function URL: docs/decisions/0021 says why.

resource "aws_apigatewayv2_api" "api" {
  count = var.create ? 1 : 0

  name                         = var.name
  description                  = var.description
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = false
  tags                         = var.tags
}

resource "aws_apigatewayv2_integration" "api" {
  count = var.create ? 1 : 0

  api_id                 = aws_apigatewayv2_api.api[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

# Everything goes to the function, which knows its own paths and answers a browser's preflight by the key's origins.
resource "aws_apigatewayv2_route" "api" {
  count = var.create ? 1 : 0

  api_id    = aws_apigatewayv2_api.api[0].id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.api[0].id}"
}

resource "aws_apigatewayv2_stage" "api" {
  count = var.create ? 1 : 0

  api_id      = aws_apigatewayv2_api.api[0].id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second
  }
}

resource "aws_lambda_permission" "api" {
  count = var.create ? 1 : 0

  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api[0].execution_arn}/*"
}
