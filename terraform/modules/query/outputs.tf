output "url" {
  description = "Where questions are asked: `POST <url>/api/v1/insights/query` with an API key."
  value       = aws_apigatewayv2_api.query.api_endpoint
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.query.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.query.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.query.name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.query.name
}
