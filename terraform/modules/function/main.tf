# One function of AWS Lambda: its code, what it may do, its environment, its log. The modules of single functions use it.

locals {
  # What every function may do besides what its own module names.
  common_statements = concat(
    [{
      sid       = "WriteLog"
      actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources = [for group in aws_cloudwatch_log_group.function : "${group.arn}:*"]
      condition = null
    }],
    length(var.kms_key_arns) == 0 ? [] : [{
      sid       = "UseKeys"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = var.kms_key_arns
      condition = null
    }],
  )

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in concat(var.statements, local.common_statements) : {
        for name, value in {
          Sid       = statement.sid
          Effect    = "Allow"
          Action    = statement.actions
          Resource  = statement.resources
          Condition = statement.condition
        } : name => value if value != null
      }
    ]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  count = var.create ? 1 : 0

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "function" {
  count = var.create ? 1 : 0

  name = var.name
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

resource "aws_iam_role_policy" "function" {
  count = var.create ? 1 : 0

  name   = "work"
  role   = aws_iam_role.function[0].name
  policy = local.policy
}

# By way of the bucket, because Lambda takes no more than 50 MB directly.
resource "aws_s3_object" "package" {
  count = var.create ? 1 : 0

  bucket      = var.bucket
  key         = "packages/${var.package}.zip"
  source      = var.package_file
  source_hash = filesha256(var.package_file)
  tags        = var.tags
}

resource "aws_lambda_function" "function" {
  count      = var.create ? 1 : 0
  depends_on = [aws_iam_role_policy.function]

  function_name                  = var.name
  description                    = var.description
  role                           = aws_iam_role.function[0].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  s3_bucket                      = aws_s3_object.package[0].bucket
  s3_key                         = aws_s3_object.package[0].key
  source_code_hash               = filebase64sha256(var.package_file)
  memory_size                    = var.memory_mb
  timeout                        = var.time_limit_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  tags                           = var.tags

  environment {
    variables = merge(var.environment, { HEADWATER_LOG = var.log })
  }

  # The functions write JSON themselves.
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[0].name
  }
}
