# The function that answers questions, and the HTTPS address in front of it.

locals {
  function_name = "${var.name}-query"

  statements = concat(
    [
      {
        Sid      = "ReadTablesAndProjects"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = ["${var.bucket_arn}/lake/*", "${var.bucket_arn}/config/projects.json"]
      },
      {
        # A question about a project that has no events yet makes its empty tables: the first entry of each log, and
        # the mark of the lake's version. Both are written only where nothing is.
        Sid    = "MakeEmptyTables"
        Effect = "Allow"
        Action = "s3:PutObject"
        Resource = [
          "${var.bucket_arn}/lake/headwater-lake.json",
          "${var.bucket_arn}/lake/projects/*/_delta_log/00000000000000000000.json",
        ]
        Condition = { Null = { "s3:if-none-match" = "false" } }
      },
      {
        # Of the whole bucket: with a condition on the prefix S3 would answer 403 instead of 404 for an object that is
        # not there, and "there is no next entry of the log" would look like trouble.
        Sid      = "ListBucket"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.bucket_arn
      },
      {
        Sid      = "MeasureQueues"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
        Resource = [var.queue_arn, var.dead_letter_queue_arn]
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.query.arn}:*"
      },
    ],
    length(var.kms_key_arns) == 0 ? [] : [{
      Sid      = "UseKeys"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arns
    }],
  )
}

resource "aws_cloudwatch_log_group" "query" {
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "query" {
  name = local.function_name
  path = "/headwater/"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "query" {
  name   = "answer-questions"
  role   = aws_iam_role.query.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# By way of the bucket, because Lambda takes no more than 50 MB directly.
resource "aws_s3_object" "package" {
  bucket      = var.bucket
  key         = "packages/query.zip"
  source      = var.package_file
  source_hash = filesha256(var.package_file)
  tags        = var.tags
}

resource "aws_lambda_function" "query" {
  depends_on = [aws_iam_role_policy.query]

  function_name                  = local.function_name
  description                    = "Headwater: answers questions"
  role                           = aws_iam_role.query.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  s3_bucket                      = aws_s3_object.package.bucket
  s3_key                         = aws_s3_object.package.key
  source_code_hash               = filebase64sha256(var.package_file)
  memory_size                    = var.memory_mb
  timeout                        = var.time_limit_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  tags                           = var.tags

  environment {
    variables = {
      HEADWATER_LAKE_URL           = var.lake_url
      HEADWATER_PROJECTS_URL       = var.projects_url
      HEADWATER_QUEUE_URL          = var.queue_url
      HEADWATER_TIME_LIMIT_SECONDS = tostring(var.time_limit_seconds)
      HEADWATER_LOG                = var.log
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.query.name
  }
}

# An HTTP API and not a function URL: docs/decisions says why.
resource "aws_apigatewayv2_api" "query" {
  name                         = local.function_name
  description                  = "Headwater: questions"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = false
  tags                         = var.tags
}

resource "aws_apigatewayv2_integration" "query" {
  api_id                 = aws_apigatewayv2_api.query.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.query.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

# Everything goes to the function, which knows its own paths and answers a browser's preflight by the key's origins.
resource "aws_apigatewayv2_route" "query" {
  api_id    = aws_apigatewayv2_api.query.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.query.id}"
}

resource "aws_apigatewayv2_stage" "query" {
  api_id      = aws_apigatewayv2_api.query.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.query.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.query.execution_arn}/*"
}
